import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import type { Server } from 'node:http';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openSource } from '../../../src/oci/sources/open.ts';
import { dockerSaveEntries, writeArchive } from '../../support/archive.ts';
import { tarLayer } from '../../support/tar.ts';

describe('a docker engine', () => {
  let folder: string;
  let server: Server;
  let asked: string[];
  let cut = false;
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'countersign-test-'));
    const image = { tags: ['team/app:1'], layers: [tarLayer({ app: 'app\n' })] };
    const file = await writeArchive(join(folder, 'saved.tar'), dockerSaveEntries([image]));
    asked = [];
    cut = false;
    server = createServer((request, response) => {
      asked.push(request.url ?? '');
      if (!asked[0]?.startsWith('/images/team/app:1/')) {
        response.writeHead(404, { 'content-type': 'application/json' });
        response.end('{"message":"No such image: nope"}');
        return;
      }
      const bytes = readFileSync(file);
      response.writeHead(200, { 'content-length': String(bytes.length) });
      if (cut) response.write(bytes.subarray(0, 2000), () => response.destroy());
      else response.end(bytes);
    }).listen(join(folder, 'engine.sock'));
    await once(server, 'listening');
  });
  afterEach(() => {
    server.closeAllConnections();
    server.close();
    rmSync(folder, { recursive: true });
  });
  const daemon = (): { host: string } => ({ host: `unix://${join(folder, 'engine.sock')}` });

  it('exports the image that is pushed', async () => {
    const source = await openSource('docker-daemon:team/app:1', { daemon: daemon() });
    expect(asked).toEqual(['/images/team/app:1/get']);
    expect(source.blobs).toHaveLength(2);
    await source.close();
  });

  it('says in its own words that it lacks the image', async () => {
    await expect(openSource('docker-daemon:nope', { daemon: daemon() })).rejects.toMatchObject({
      code: 'SOURCE_INVALID',
      message: expect.stringContaining('No such image: nope'),
    });
  });

  it('is refused where its export breaks off', async () => {
    cut = true;
    await expect(
      openSource('docker-daemon:team/app:1', { daemon: daemon() }),
    ).rejects.toMatchObject({ code: 'SOURCE_INVALID' });
  });

  it.each(['unix:///nowhere.sock', 'tcp://127.0.0.1:1', 'ssh://host', 'nonsense'])(
    'is not reached at %s',
    async (host) => {
      await expect(openSource('docker-daemon:x', { daemon: { host } })).rejects.toMatchObject({
        code: 'SOURCE_INVALID',
      });
    },
  );

  it('never asks outside the images', async () => {
    await expect(
      openSource('docker-daemon:../../containers/json?x=', { daemon: daemon() }),
    ).rejects.toMatchObject({ code: 'SOURCE_INVALID' });
    expect(asked).toEqual([]);
  });
});
