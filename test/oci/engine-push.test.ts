import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { expectEngineImage, pushByEngine } from '../../src/oci/engine-push.ts';
import type { Engine } from '../../src/oci/engine.ts';
import { connectEngine } from '../../src/oci/engine.ts';
import { suiteScope } from '../support/scope.ts';

const IMAGE = { repository: 'registry.example.com/team/app', tag: '1.2' };
const DIGEST = `sha256:${'ab'.repeat(32)}`;
const DONE = { aux: { Tag: '1.2', Digest: DIGEST, Size: 527 } };

describe('a push by the docker engine', () => {
  const scope = suiteScope();
  let made = 0;
  const open: (() => Promise<unknown>)[] = [];
  afterEach(async () => {
    for (const close of open.splice(0)) await close();
  });

  /** An engine on a socket that answers so. */
  async function engine(
    answer: (request: IncomingMessage, response: ServerResponse) => void,
  ): Promise<Engine> {
    made += 1;
    const path = join(scope.folder(), `${made}.sock`);
    const server = createServer(answer).listen(path);
    await once(server, 'listening');
    const connected = await connectEngine({ host: `unix://${path}` });
    open.push(
      () => connected.client.destroy(),
      async () => {
        server.close();
        await once(server, 'close');
      },
    );
    return connected;
  }

  const saying = (...messages: readonly unknown[]) =>
    engine((_request, response) => {
      response.end(messages.map((one) => `${JSON.stringify(one)}\r\n`).join(''));
    });
  const push = (connected: Engine, lines: string[] = []) =>
    pushByEngine(connected, IMAGE, null, (line) => lines.push(line));

  it('names the image and its tag, and logs in as docker does', async () => {
    const asked: string[] = [];
    const connected = await engine((request, response) => {
      asked.push(`${request.method} ${request.url}`);
      const header = String(request.headers['x-registry-auth']);
      asked.push(Buffer.from(header, 'base64url').toString());
      response.end(JSON.stringify(DONE));
    });
    const login = { kind: 'password', username: 'bob', password: 'söcret' } as const;
    await pushByEngine(connected, IMAGE, login, () => {});
    await pushByEngine(connected, IMAGE, { kind: 'identity-token', token: 't' }, () => {});
    expect(asked).toEqual([
      'POST /images/registry.example.com/team/app/push?tag=1.2',
      '{"username":"bob","password":"söcret"}',
      'POST /images/registry.example.com/team/app/push?tag=1.2',
      '{"identitytoken":"t"}',
    ]);
  });

  it('prints what docker prints where nobody watches, and tells what was pushed', async () => {
    const lines: string[] = [];
    const connected = await saying(
      { status: 'The push refers to repository [r]' },
      { status: 'Preparing', id: 'abc', progressDetail: {} },
      { status: 'Pushing', id: 'abc', progressDetail: { current: 1, total: 2 }, progress: '[=>]' },
      { status: 'Pushed', id: 'abc' },
      { progressDetail: {}, ...DONE },
    );
    expect(await push(connected, lines)).toEqual({ tag: '1.2', digest: DIGEST, size: 527 });
    expect(lines).toEqual(['The push refers to repository [r]', 'abc: Preparing', 'abc: Pushed']);
  });

  it('reads the last line of an engine that keeps images in containerd, which tells it nowhere else', async () => {
    const lines: string[] = [];
    const result = `1.2: digest: ${DIGEST} size: 405`;
    const connected = await saying(
      { status: 'The push refers to repository [r]' },
      { status: 'Pushed', progressDetail: {}, id: 'abc' },
      { status: result },
    );
    expect(await push(connected, lines)).toEqual({ tag: '1.2', digest: DIGEST, size: 405 });
    expect(lines.at(-1)).toBe(result);
    // Until 28 an engine says both.
    const both = await saying({ status: `1.2: digest: ${DIGEST} size: 527` }, DONE);
    expect(await push(both)).toEqual({ tag: '1.2', digest: DIGEST, size: 527 });
  });

  it.each([
    [[{ errorDetail: { message: 'denied: no' }, error: 'denied: no' }], 'denied: no'],
    [[DONE, { error: 'and then it failed' }], 'and then it failed'],
    [[{ status: 'Pushed' }], 'no targets found'],
    [[{ aux: { Tag: 'latest', Digest: DIGEST, Size: 527 } }], 'no targets found'],
    [[{ aux: { Tag: '1.2', Digest: 'sha256:short', Size: 527 } }], 'no targets found'],
    [[{ aux: { Tag: '1.2', Digest: DIGEST, Size: 0 } }], 'no targets found'],
    [['no object', 7, null], 'no targets found'],
    [[{ status: `latest: digest: ${DIGEST} size: 405` }], 'no targets found'],
    [[{ status: `1.2: digest: ${DIGEST} size: 0` }], 'no targets found'],
    [[{ status: `1.2: digest: ${DIGEST}` }], 'no targets found'],
    [[{ status: `1.2: digest: ${DIGEST} size: 405\n` }], 'no targets found'],
    [[{ status: `1.2: digest: ${DIGEST} size: 405`, id: 'abc' }], 'no targets found'],
    [[{ status: `1.2: digest: ${DIGEST} size: 405` }, DONE], 'no targets found'],
    [[{ status: `1.2: digest: ${DIGEST} size: 405` }, { error: 'denied: no' }], 'denied: no'],
  ])('fails where nothing certain was pushed: %j', async (messages, said) => {
    await expect(push(await saying(...messages))).rejects.toThrow(said);
  });

  it("tells the engine's own message, without what would move a terminal", async () => {
    const refuse = (status: number, body: string) =>
      engine((_request, response) => {
        response.writeHead(status).end(body);
      });
    const message = JSON.stringify({ message: 'No such image: \u001b[2Jx' });
    const gone = await refuse(404, message);
    const failed = expectEngineImage(gone, 'x:1');
    await expect(failed).rejects.toThrow('Error response from daemon: No such image: ');
    await expect(failed).rejects.not.toThrow('\u001b');
    await expect(push(await refuse(500, message))).rejects.toThrow('No such image');
    await expect(push(await refuse(500, 'x'.repeat(100_000)))).rejects.toThrow('status 500');
  });
});
