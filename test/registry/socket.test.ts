import { existsSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Client } from 'undici';
import { describe, expect, it } from 'vitest';
import { createRegistry } from '../../src/registry/registry.ts';
import { listenOnSocket } from '../../src/registry/socket.ts';
import { suiteScope } from '../support/scope.ts';

const onError = (): void => undefined;

async function answersAt(socketPath: string): Promise<number> {
  const client = new Client('http://localhost', { socketPath });
  const answer = await client.request({ method: 'GET', path: '/v2/' });
  await answer.body.dump();
  await client.close();
  return answer.statusCode;
}

describe('the embedded registry on a socket', () => {
  const scope = suiteScope();

  it('answers in a folder that only this user may enter, and takes the socket away at the end', async () => {
    const folder = join(scope.folder(), 'run');
    const registry = await listenOnSocket({ root: join(scope.folder(), 'a'), folder, onError });
    expect(statSync(folder).mode & 0o777).toBe(0o700);
    expect(await answersAt(registry.socketPath)).toBe(200);
    await registry.close();
    expect(existsSync(registry.socketPath)).toBe(false);
  });

  it('replaces the socket that a killed process left', async () => {
    const folder = join(scope.folder(), 'stale');
    mkdirSync(folder);
    writeFileSync(join(folder, 'registry.sock'), '');
    const registry = await listenOnSocket({ root: join(scope.folder(), 'b'), folder, onError });
    expect(await answersAt(registry.socketPath)).toBe(200);
    await registry.close();
  });

  it('finds a shorter folder where the path is too long for a socket', async () => {
    const folder = join(scope.folder(), 'x'.repeat(120));
    const registry = await listenOnSocket({ root: join(scope.folder(), 'c'), folder, onError });
    expect(await answersAt(registry.socketPath)).toBe(200);
    expect(registry.socketPath.length).toBeLessThan(107);
    await registry.close();
    expect(existsSync(registry.socketPath)).toBe(false);
  });

  it('a folder is opened once in a process, and again after it was closed', async () => {
    const root = join(scope.folder(), 'd');
    const first = await createRegistry({ root });
    await expect(createRegistry({ root: `${root}/../d` })).rejects.toMatchObject({
      code: 'STORE_UNAVAILABLE',
    });
    await first.close();
    await (await createRegistry({ root })).close();
  });

  it('a folder that cannot be opened is not kept as open', async () => {
    const root = join(scope.folder(), 'file');
    writeFileSync(root, '');
    for (let n = 0; n < 2; n++)
      await expect(createRegistry({ root })).rejects.toMatchObject({
        code: 'STORE_UNAVAILABLE',
        message: expect.stringContaining('cannot use its folder'),
      });
  });
});
