import { Agent } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { LIMITS } from '../../src/lib/limits.ts';
import { digestOf } from '../../src/oci/digest.ts';
import { MEDIA } from '../../src/oci/media-types.ts';
import { startChild, waitFor } from '../support/child.ts';
import { fresh, targetAt } from '../support/conformance/target.ts';
import { filesBelow } from '../support/content-folder.ts';
import { call } from '../support/http-call.ts';
import { buildImage, pushBlob, pushImage } from '../support/image.ts';
import type { RunningRegistry } from '../support/registry.ts';
import { startRegistry } from '../support/registry.ts';
import { suiteScope } from '../support/scope.ts';

describe('the embedded registry with hostile clients', () => {
  const scope = suiteScope();
  let root: string;
  let registry: RunningRegistry;

  beforeAll(async () => {
    root = scope.folder();
    registry = scope.own(await startRegistry(root));
  });

  /** Sends bytes over a socket and gives back all that is answered until the connection ends. */
  async function raw(text: string): Promise<string> {
    const [host, port] = registry.host.split(':');
    const socket = connect(Number(port), host);
    socket.write(text);
    let answer = '';
    for await (const part of socket) answer += String(part);
    return answer;
  }

  it.each(['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'PROPFIND', 'PURGE'])(
    '%s where it has no meaning is 405 and names what has',
    async (method) => {
      const answer = await call(registry.url, method, '/v2/_catalog');
      expect([answer.status, answer.headers['allow']]).toEqual([405, 'GET, HEAD']);
    },
  );

  it('error answers are OCI bodies; a HEAD gets their headers alone', async () => {
    const got = await call(registry.url, 'GET', '/v2/a/manifests/%41');
    expect(got.headers['content-type']).toBe('application/json');
    expect(JSON.parse(got.text)).toEqual({
      errors: [{ code: 'NAME_INVALID', message: expect.any(String) }],
    });
    const head = await call(registry.url, 'HEAD', '/v2/a/manifests/%41');
    expect([head.status, head.body.length]).toEqual([400, 0]);
    expect(head.headers['content-length']).toBe(String(got.body.length));
  });

  it('absolute-form targets, doubled lengths and smuggled bodies are refused', async () => {
    const image = buildImage();
    await pushImage(registry.url, 'team/app', image, 'v1');
    const target = '/v2/team/app/manifests/v1';
    const close = 'Host: x\r\nConnection: close\r\n';
    for (const request of [
      `GET http://x${target} HTTP/1.1\r\n${close}\r\n`,
      `GET ${target}\t HTTP/1.1\r\n${close}\r\n`,
      `PUT ${target} HTTP/1.1\r\n${close}Content-Length: 1\r\nContent-Length: 2\r\n\r\nx`,
      `PUT ${target} HTTP/1.1\r\n${close}Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
      `PUT ${target} HTTP/1.1\r\n${close}Content-Length: -1\r\n\r\n`,
      `GET ${target} HTTP/1.1\r\n${close}X: ${'x'.repeat(20_000)}\r\n\r\n`,
    ])
      expect(await raw(request)).toMatch(/^HTTP\/1\.1 4(?:00|31) /);
    expect(await raw(`GET ${target} HTTP/1.1\r\n${close}\r\n`)).toMatch(/^HTTP\/1\.1 200 /);
  });

  it('headers that ask for another path are not heard', async () => {
    const headers = {
      'X-Original-URL': '/v2/team/app/manifests/v1',
      'X-HTTP-Method-Override': 'DELETE',
      'X-Forwarded-Host': 'evil.example',
      Forwarded: 'host=evil.example',
      Host: 'evil.example',
    };
    expect((await call(registry.url, 'GET', '/v2/', { headers })).text).toBe('{}');
    const opened = await call(registry.url, 'POST', '/v2/a/blobs/uploads/', { headers });
    expect(opened.headers.location).toMatch(/^\/v2\/a\/blobs\/uploads\//);
  });

  it('a manifest of 4 MiB and one byte is 413 whatever length it announced, and is not stored', async () => {
    const before = filesBelow(join(root, 'blobs'));
    const headers = { 'Content-Type': MEDIA.ociManifest };
    const bytes = Buffer.alloc(LIMITS.manifestBytes + 1, 0x20);
    async function* chunked(): AsyncGenerator<Buffer> {
      for (let n = 0; n < 65; n++) yield Buffer.alloc(64 * 1024 + 1, 0x20);
    }
    for (const body of [bytes, chunked()]) {
      const answer = await call(registry.url, 'PUT', '/v2/a/manifests/v1', { body, headers });
      expect([answer.status, answer.code]).toEqual([413, 'SIZE_INVALID']);
    }
    expect(filesBelow(join(root, 'blobs'))).toEqual(before);
  });

  it('a body without end is cut, and the registry lives on', async () => {
    async function* endless(): AsyncGenerator<Buffer> {
      for (;;) yield Buffer.alloc(1024 * 1024);
    }
    const sent = call(registry.url, 'PUT', '/v2/a/manifests/v1', { body: endless() });
    // The client may still get the refusal, or only see the connection go.
    const outcome = await sent.then(
      (answer) => answer.status,
      () => 'cut',
    );
    expect([413, 'cut']).toContain(outcome);
    expect((await call(registry.url, 'GET', '/v2/')).status).toBe(200);
  });

  it('a refused upload leaves the connection usable', async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const connections = new Set<unknown>();
    agent.on('free', (socket) => connections.add(socket));
    const target = `/v2/a/blobs/uploads/${'0'.repeat(32)}`;
    for (let n = 0; n < 3; n++) {
      const answer = await call(registry.url, 'PATCH', target, { body: fresh(1_000_000), agent });
      expect([answer.status, answer.code]).toEqual([404, 'BLOB_UPLOAD_UNKNOWN']);
    }
    expect((await call(registry.url, 'GET', '/v2/', { agent })).status).toBe(200);
    agent.destroy();
    expect(connections.size).toBe(1);
  });

  it('a client that leaves in the middle of a download harms nobody', async () => {
    const digest = await pushBlob(registry.url, 'team/app', fresh(5_000_000));
    const [host, port] = registry.host.split(':');
    const socket = connect(Number(port), host);
    socket.write(`GET /v2/team/app/blobs/${digest} HTTP/1.1\r\nHost: x\r\n\r\n`);
    await new Promise((resolve) => socket.once('data', resolve));
    socket.destroy();
    expect((await call(registry.url, 'HEAD', `/v2/team/app/blobs/${digest}`)).status).toBe(200);
  });

  it('none of this was a failure of the registry', () => {
    expect(registry.errors).toEqual([]);
  });
});

describe('the embedded registry without room', () => {
  const scope = suiteScope();
  const SCRIPT = join(import.meta.dirname, '../support/registry-child.ts');
  const MAX_BLOCKS = 400;

  // A limit on the size of files is the one kind of full disk that a test can make without rights:
  // the write fails in the same place, with EFBIG in ENOSPC's stead. The signal must be ignored.
  it('answers 507, keeps nothing half-written, and takes what still fits', async () => {
    const root = join(scope.folder(), 'root');
    const line = `trap '' XFSZ; ulimit -f ${MAX_BLOCKS}; exec "$0" "$@"`;
    const child = startChild('sh', ['-c', line, process.execPath, SCRIPT, root]);
    const port = await waitFor(child, 'registry', () => /^([0-9]+)\n/.exec(child.stdout())?.[1]);
    const url = `http://127.0.0.1:${port}`;
    const tooLarge = fresh(MAX_BLOCKS * 1024 + 100_000);
    const small = fresh(50_000);
    const { repo, send } = targetAt(url);

    const opened = await send('POST', 'blobs/uploads/');
    const location = opened.headers.location ?? '';
    await call(url, 'PATCH', location, { body: small });
    for (const [method, target, body] of [
      ['PATCH', location, tooLarge],
      ['PUT', `${location}?digest=${digestOf(tooLarge)}`, tooLarge],
      ['POST', `/v2/${repo}/blobs/uploads/?digest=${digestOf(tooLarge)}`, tooLarge],
    ] as const) {
      const answer = await call(url, method, target, { body });
      expect([method, answer.status, answer.code]).toEqual([method, 507, 'UNAVAILABLE']);
      expect((await call(url, 'GET', location)).headers['range']).toBe('0-49999');
    }
    const image = buildImage({ annotations: { pad: 'x'.repeat(MAX_BLOCKS * 1024) } });
    for (const bytes of image.blobs.values()) await pushBlob(url, repo, bytes);
    const stored = filesBelow(join(root, 'blobs'));
    const put = await send('PUT', 'manifests/v1', {
      body: image.manifest,
      headers: { 'Content-Type': image.mediaType },
    });
    expect([put.status, put.code]).toEqual([507, 'UNAVAILABLE']);
    expect((await send('HEAD', 'manifests/v1')).status).toBe(404);
    expect(filesBelow(join(root, 'blobs'))).toEqual(stored);
    expect(filesBelow(join(root, 'tmp'))).toEqual([]);

    const finished = await call(url, 'PUT', `${location}?digest=${digestOf(small)}`);
    expect(finished.status).toBe(201);
    await pushImage(url, repo, buildImage(), 'v1');
    await child.kill();
  });
});
