import { describe, expect, it } from 'vitest';
import { digestOf } from '../../src/oci/digest.ts';
import { MEDIA } from '../../src/oci/media-types.ts';
import type { EvidenceSink } from '../../src/trust/format.ts';
import { wireRegistries } from '../support/wire-registry.ts';
import { answerError, bodyOf, giveManifest, MANIFEST, password } from '../support/wire-server.ts';

const DIGEST = digestOf(MANIFEST);
const OTHER = digestOf(Buffer.from('other'));

describe('the registry client', () => {
  const { serve, clientOf } = wireRegistries();

  describe('reading manifests', () => {
    it('gives raw bytes, their type and their own digest', async () => {
      const server = await serve((_request, response) => giveManifest(response));
      const found = await clientOf(server).manifest('team/app', '1.2');
      expect(found).toEqual({ bytes: MANIFEST, mediaType: MEDIA.ociManifest, digest: DIGEST });
      expect(server.seen[0]?.line).toBe('GET /v2/team/app/manifests/1.2');
      expect(server.seen[0]?.headers['accept-encoding']).toBe('identity');
    });

    it.each([
      ['another digest', OTHER],
      ['upper-case hex', DIGEST.toUpperCase()],
      ['nonsense', 'sha1:abc'],
    ])('ignores a Docker-Content-Digest of %s', async (_what, claimed) => {
      const server = await serve((_request, response) => {
        response.setHeader('docker-content-digest', claimed);
        giveManifest(response);
      });
      const client = clientOf(server);
      expect((await client.manifest('a', 'v1'))?.digest).toBe(DIGEST);
      expect((await client.manifest('a', DIGEST))?.digest).toBe(DIGEST);
    });

    it('refuses other bytes than the digest asked for, whatever the header says', async () => {
      const server = await serve((_request, response) => {
        response.setHeader('docker-content-digest', OTHER);
        giveManifest(response);
      });
      await expect(clientOf(server).manifest('a', OTHER)).rejects.toMatchObject({
        code: 'UPSTREAM_INVALID',
      });
    });

    it('refuses more than 4 MiB, declared or not', async () => {
      const server = await serve((_request, response) => {
        response.writeHead(200, { 'transfer-encoding': 'chunked' });
        const chunk = Buffer.alloc(64 * 1024);
        const pump = (): void => {
          while (!response.destroyed && response.write(chunk));
        };
        response.on('drain', pump);
        pump();
      });
      await expect(clientOf(server).manifest('a', 'v')).rejects.toMatchObject({
        code: 'UPSTREAM_INVALID',
        message: expect.stringMatching(/at most 4194304/),
      });
    });

    it('refuses a body that comes encoded although none was asked for', async () => {
      const server = await serve((_request, response) => {
        response.setHeader('content-encoding', 'gzip');
        giveManifest(response);
      });
      await expect(clientOf(server).manifest('a', 'v')).rejects.toMatchObject({
        code: 'UPSTREAM_INVALID',
      });
    });

    it('takes an OCI 404 for absence', async () => {
      const server = await serve((_request, response) =>
        answerError(response, 404, 'MANIFEST_UNKNOWN', 'unknown'),
      );
      expect(await clientOf(server).manifest('a', 'v')).toBeNull();
    });

    it('does not take the 404 page of a web server for absence', async () => {
      const server = await serve((_request, response) => {
        response.writeHead(404, { 'content-type': 'text/html' });
        response.end('<h1>Not found</h1>');
      });
      await expect(clientOf(server).manifest('a', 'v')).rejects.toMatchObject({
        code: 'UPSTREAM_INVALID',
      });
    });

    it.each(['../../_catalog', 'a/../b', 'A', '', 'a%2fb', 'a?x'])(
      'never asks for a name like %j',
      async (path) => {
        const server = await serve((_request, response) => giveManifest(response));
        const client = clientOf(server);
        const ask = async (): Promise<unknown> => client.manifest(path, 'v');
        await expect(ask()).rejects.toMatchObject({ code: 'NAME_INVALID' });
        expect(server.seen).toEqual([]);
      },
    );

    it.each(['../x', 'sha256:../../x', 'sha256:abc', 'a/b', ''])(
      'never asks for a reference like %j',
      async (reference) => {
        const server = await serve((_request, response) => giveManifest(response));
        const client = clientOf(server);
        const ask = async (): Promise<unknown> => client.manifest('a', reference);
        await expect(ask()).rejects.toMatchObject({ code: 'REFERENCE_INVALID' });
        expect(server.seen).toEqual([]);
      },
    );
  });

  describe('reading blobs', () => {
    it('gives bytes that match the digest, and null for none', async () => {
      const server = await serve((request, response) => {
        if (request.url?.endsWith(DIGEST) === true) response.end(MANIFEST);
        else answerError(response, 404, 'BLOB_UNKNOWN', 'unknown');
      });
      const client = clientOf(server);
      expect(await client.blob('a', DIGEST, 100)).toEqual(MANIFEST);
      expect(await client.blob('a', OTHER, 100)).toBeNull();
    });

    it('refuses a blob over its bound', async () => {
      const server = await serve((_request, response) => void response.end(MANIFEST));
      await expect(clientOf(server).blob('a', DIGEST, 5)).rejects.toMatchObject({
        code: 'TOO_LARGE',
      });
    });

    it('follows a redirect to storage without the login', async () => {
      const storage = await serve((_request, response) => void response.end(MANIFEST));
      const server = await serve((request, response) => {
        if (request.headers.authorization === undefined) {
          response.writeHead(401, { 'www-authenticate': 'Basic realm="r"' }).end();
        } else {
          response.writeHead(307, { location: `${storage.url}/signed?x=1` }).end();
        }
      });
      const client = clientOf(server, { credentials: password });
      expect(await client.blob('a', DIGEST, 100)).toEqual(MANIFEST);
      expect(server.seen.at(-1)?.headers.authorization).toMatch(/^Basic /);
      expect(storage.seen.map(({ line }) => line)).toEqual(['GET /signed?x=1']);
      expect(storage.seen[0]?.headers.authorization).toBeUndefined();
    });

    it('gives up on redirects without end', async () => {
      const server = await serve((_request, response) => {
        response.writeHead(302, { location: '/v2/a/blobs/again' }).end();
      });
      await expect(clientOf(server).blob('a', DIGEST, 9)).rejects.toMatchObject({
        code: 'UPSTREAM_INVALID',
      });
      expect(server.seen).toHaveLength(6);
    });

    it.each(['http://169.254.169.254/latest', 'file:///etc/passwd', 'http://u:p@127.0.0.1/', '::'])(
      'does not follow a redirect to %s',
      async (location) => {
        const server = await serve((_request, response) => {
          response.writeHead(302, { location }).end();
        });
        await expect(clientOf(server).blob('a', DIGEST, 9)).rejects.toMatchObject({
          code: expect.stringMatching(/UPSTREAM_INVALID/),
        });
      },
    );
  });

  describe('listing tags', () => {
    it('follows the pages', async () => {
      const server = await serve((request, response) => {
        const last = new URL(request.url ?? '', 'http://x').searchParams.get('last');
        if (last === null)
          response.setHeader('link', '</v2/a/tags/list?n=1000&last=b>; rel="next"');
        response.end(JSON.stringify({ name: 'a', tags: last === null ? ['a', 'b'] : ['c'] }));
      });
      expect(await clientOf(server).tags('a')).toEqual(['a', 'b', 'c']);
    });

    it('refuses pages without end, and pages elsewhere', async () => {
      const cyclic = await serve((_request, response) => {
        response.setHeader('link', '</v2/a/tags/list?n=1>; rel="next"');
        response.end('{"tags":["a"]}');
      });
      await expect(clientOf(cyclic).tags('a')).rejects.toMatchObject({ code: 'UPSTREAM_INVALID' });
      const astray = await serve((_request, response) => {
        response.setHeader('link', `<${cyclic.url}/v2/a/tags/list>; rel="next"`);
        response.end('{"tags":["a"]}');
      });
      await expect(clientOf(astray).tags('a')).rejects.toMatchObject({ code: 'UPSTREAM_INVALID' });
    });

    it('gives none for a repository that is not there, and for null', async () => {
      const server = await serve((request, response) => {
        if (request.url?.includes('/none/') === true)
          answerError(response, 404, 'NAME_UNKNOWN', '');
        else response.end('{"name":"a","tags":null}');
      });
      expect(await clientOf(server).tags('none')).toEqual([]);
      expect(await clientOf(server).tags('a')).toEqual([]);
    });
  });

  describe('the API beside the registry', () => {
    it('is asked on the same origin, in JSON', async () => {
      const server = await serve(async (request, response) => {
        const body = JSON.parse((await bodyOf(request)).toString()) as unknown;
        response.end(JSON.stringify({ got: body }));
      });
      const answer = await clientOf(server).api('POST', '/api/v1/decisions', { image: 'x' });
      expect(answer).toMatchObject({ status: 200, body: { got: { image: 'x' } } });
    });

    it('tells by the status that nobody serves it', async () => {
      const server = await serve((_request, response) => void response.writeHead(404).end('nope'));
      const answer = await clientOf(server).api('GET', '/api/v1/holds');
      expect(answer).toMatchObject({ status: 404, body: undefined });
    });
  });

  it('is what signature formats read and write', async () => {
    const stored = new Map<string, Buffer>();
    const server = await serve(async (request, response) => {
      const url = new URL(request.url ?? '', 'http://x');
      if (request.method === 'POST')
        response.writeHead(202, { location: '/up?_state=a%2Bb%3D%3D' }).end();
      else if (url.pathname === '/up') {
        stored.set(`/v2/a/blobs/${url.searchParams.get('digest')}`, await bodyOf(request));
        response.writeHead(201).end();
      } else if (request.method === 'PUT') {
        stored.set(url.pathname, await bodyOf(request));
        response.writeHead(201).end();
      } else if (stored.has(url.pathname)) response.end(stored.get(url.pathname));
      else answerError(response, 404, 'UNKNOWN', 'none');
    });
    const sink: EvidenceSink = clientOf(server).evidence('a');
    expect(await sink.blob(DIGEST, 100)).toBeNull();
    await sink.putBlob(DIGEST, MANIFEST);
    await sink.putBlob(DIGEST, MANIFEST);
    await sink.putManifest('v', MANIFEST, MEDIA.ociManifest);
    expect(await sink.blob(DIGEST, 100)).toEqual(MANIFEST);
    expect(await sink.manifest('v')).toMatchObject({ bytes: MANIFEST });
    const uploads = server.seen.filter(({ line }) => /^(?:POST|PUT \/up)/.test(line));
    // The session's own query stays as the registry wrote it: it is signed.
    expect(uploads.map(({ line }) => line)).toEqual([
      'POST /v2/a/blobs/uploads/',
      `PUT /up?_state=a%2Bb%3D%3D&digest=${encodeURIComponent(DIGEST)}`,
    ]);
  });
});
