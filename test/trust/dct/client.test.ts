import type { IncomingMessage, ServerResponse } from 'node:http';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fileSigner } from '../../../src/keys/signers/file.ts';
import { generateKey } from '../../../src/keys/generate.ts';
import type { Repository } from '../../../src/oci/reference.ts';
import type { TrustServer } from '../../../src/trust/dct/client.ts';
import { openTrustServer } from '../../../src/trust/dct/client.ts';
import { multipartOf } from '../../../src/trust/dct/multipart.ts';
import { parseNotaryError } from '../../../src/trust/dct/notary-error.ts';
import { tufKeyOf } from '../../../src/tuf/public-key.ts';
import { suiteScope } from '../../support/scope.ts';
import { answerError, bodyOf, password, startWireServer } from '../../support/wire-server.ts';
import type { WireServer } from '../../support/wire-server.ts';

type Handle = (request: IncomingMessage, response: ServerResponse) => void | Promise<void>;

describe('a trust server', () => {
  const scope = suiteScope();
  const start = async (
    handle: Handle,
    given: { readonly callMs?: number } = {},
  ): Promise<{ wire: WireServer; server: TrustServer; gun: Repository }> => {
    const wire = scope.own(await startWireServer(handle));
    const server = openTrustServer({
      registryHost: wire.host,
      address: { url: null, named: false },
      credentials: password,
      retry: { attempts: 1 },
      ...given,
    });
    scope.own({ stop: () => server.close() });
    return { wire, server, gun: `${wire.host}/team/app` as Repository };
  };
  const parts = [{ role: 'targets/releases', bytes: Buffer.from('{"signed":{}}\r\n--x') }];

  it('gets updates as Notary’s clients send them: one part a role, its slashes in the file name', async () => {
    let body: Buffer = Buffer.of();
    let type = '';
    const { wire, server, gun } = await start(async (request, response) => {
      body = await bodyOf(request);
      type = request.headers['content-type'] ?? '';
      response.end();
    });
    expect(await server.publish(gun, parts)).toBe('stored');
    expect(wire.seen.map(({ line }) => line)).toEqual([`POST /v2/${gun}/_trust/tuf/`]);
    const sent = new Request('http://x/', {
      method: 'POST',
      body: new Uint8Array(body),
      headers: { 'content-type': type },
    });
    const form = await sent.formData();
    const file = form.get('files') as File;
    expect(file.name).toBe('targets/releases');
    expect(Buffer.from(await file.arrayBuffer())).toEqual(parts[0]?.bytes);
  });

  it('gets any bytes as they are', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uint8Array({ maxLength: 200 }),
        fc.uint8Array({ maxLength: 200 }),
        async (a, b) => {
          const { contentType, bytes } = multipartOf([
            { role: 'root', bytes: a },
            { role: 'targets', bytes: b },
          ]);
          const sent = new Request('http://x/', {
            method: 'POST',
            body: new Uint8Array(bytes),
            headers: { 'content-type': contentType },
          });
          const files = (await sent.formData()).getAll('files') as File[];
          const got = await Promise.all(
            files.map(async (file) => Buffer.from(await file.arrayBuffer())),
          );
          expect(files.map(({ name }) => name)).toEqual(['root', 'targets']);
          expect(got).toEqual([Buffer.from(a), Buffer.from(b)]);
        },
      ),
      { numRuns: 50 },
    );
  });

  it.each([
    ['VERSION', 400, 'conflict'],
    // notary-server on PostgreSQL says so of concurrent writers.
    ['UPDATING', 500, 'conflict'],
  ])('that says %s was asked too late, and nothing is stored', async (code, status, outcome) => {
    const { server, gun } = await start((_request, response) =>
      answerError(response, status, code, 'no', {}),
    );
    expect(await server.publish(gun, parts)).toBe(outcome);
  });

  it.each([
    [
      'INVALID_UPDATE',
      {
        Name: 'ErrBadTargets',
        Error: { Msg: 'valid signatures did not meet threshold for targets' },
      },
      'The targets metadata is invalid: valid signatures did not meet threshold for targets',
    ],
    [
      'INVALID_UPDATE',
      { Name: 'ErrBadHierarchy', Error: { Missing: 'snapshot', Msg: 'no snapshot' } },
      'Metadata hierarchy is incomplete: no snapshot',
    ],
    [
      'INVALID_UPDATE',
      { Name: 'toString', Error: { Msg: 'x' } },
      'trust server rejected operation.',
    ],
    ['MALFORMED_JSON', undefined, 'trust server rejected operation.'],
    ['INVALID_GUN', 'Require GUNs', 'not of this name'],
  ])('that refuses with %s %j is quoted as docker quotes it', async (code, detail, said) => {
    const { server, gun } = await start((_request, response) =>
      answerError(response, 400, code, 'not of this name', detail),
    );
    await expect(server.publish(gun, parts)).rejects.toMatchObject({
      code: 'TRUST_UPDATE_REFUSED',
      message: expect.stringContaining(said),
    });
  });

  it('that makes up an error cannot colour a terminal', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const body = {
          errors: [
            { code: text, message: text, detail: { Name: 'ErrBadRoot', Error: { Msg: text } } },
          ],
        };
        const error = parseNotaryError(Buffer.from(JSON.stringify(body)));
        const said = `${error.code}${error.message}${error.fault ?? ''}`;
        expect(said).not.toMatch(/\p{Cc}/u);
      }),
    );
  });

  it.each([404, 405])('that answers %d to key and upload has no such service', async (status) => {
    const { server, gun } = await start((_request, response) => {
      response.writeHead(status).end('404 page not found');
    });
    expect(await server.file(gun, 'root')).toBeNull();
    await expect(server.key(gun, 'timestamp')).rejects.toMatchObject({ code: 'NO_TRUST_SERVICE' });
    await expect(server.publish(gun, parts)).rejects.toMatchObject({ code: 'NO_TRUST_SERVICE' });
  });

  it('that fails has given no answer: nothing is taken for absent', async () => {
    const { server, gun } = await start((_request, response) => {
      response.writeHead(503).end();
    });
    for (const call of [
      () => server.file(gun, 'root'),
      () => server.key(gun, 'timestamp'),
      () => server.publish(gun, parts),
      () => server.remove(gun),
    ]) {
      await expect(call()).rejects.toMatchObject({ code: 'UPSTREAM_UNAVAILABLE' });
    }
  });

  it('T-70: that sends a byte now and then is not listened to for ever', async () => {
    const handle: Handle = (_request, response) => {
      response.writeHead(200);
      const ticking = setInterval(() => response.write(' '), 10);
      response.on('close', () => clearInterval(ticking));
    };
    const { server, gun } = await start(handle, { callMs: 200 });
    for (const call of [() => server.file(gun, 'root'), () => server.publish(gun, parts)]) {
      await expect(call()).rejects.toMatchObject({ code: 'UPSTREAM_UNAVAILABLE' });
    }
  });

  it('is asked again with the login of the image’s registry where it asks for one', async () => {
    const seen: (string | undefined)[] = [];
    const { server, gun } = await start((request, response) => {
      seen.push(request.headers.authorization);
      if (request.headers.authorization === undefined) {
        response.writeHead(401, { 'www-authenticate': 'Basic realm="trust"' }).end();
      } else response.end('{}');
    });
    expect(await server.file(gun, 'root')).toEqual(Buffer.from('{}'));
    const basic = `Basic ${Buffer.from('alice:secret').toString('base64')}`;
    expect(seen).toEqual([undefined, basic]);
  });

  it('is asked for tokens of the repository’s full name, and for the right to it', async () => {
    const asked: string[] = [];
    const { server, gun } = await start((request, response) => {
      const url = new URL(request.url ?? '', 'http://x');
      if (url.pathname === '/token') {
        asked.push(...url.searchParams.getAll('scope'));
        response.end(JSON.stringify({ token: `t${asked.length}` }));
      } else if (request.headers.authorization === undefined) {
        const realm = `http://${request.headers.host}/token`;
        response
          .writeHead(401, { 'www-authenticate': `Bearer realm="${realm}",service="s"` })
          .end();
      } else response.end();
    });
    await server.file(gun, 'root');
    await server.publish(gun, parts);
    await server.remove(gun);
    expect(asked).toEqual([
      `repository:${gun}:pull`,
      `repository:${gun}:push,pull`,
      `repository:${gun}:*`,
    ]);
  });

  it('hands out keys of the accepted kinds only', async () => {
    const good = tufKeyOf(fileSigner(await generateKey('ed25519')).publicKey);
    let answer: unknown = { keytype: good.keytype, keyval: { public: good.public, private: null } };
    const { wire, server, gun } = await start((_request, response) => {
      response.end(JSON.stringify(answer));
    });
    expect((await server.key(gun, 'timestamp')).id).toBe(good.id);
    expect((await server.rotateKey(gun, 'snapshot')).id).toBe(good.id);
    expect(wire.seen.map(({ line }) => line.split('/_trust/tuf/')[1])).toEqual([
      'timestamp.key',
      'snapshot.key',
    ]);
    for (answer of [
      {},
      [],
      null,
      { keytype: 'ed25519', keyval: { public: 'AAAA', private: null } },
      { keytype: 'hmac', keyval: { public: good.public, private: null } },
    ]) {
      await expect(server.key(gun, 'timestamp')).rejects.toMatchObject({
        code: 'UPSTREAM_INVALID',
      });
    }
    answer = { keytype: good.keytype, keyval: { public: good.public, private: 'c2VjcmV0' } };
    await expect(server.key(gun, 'timestamp')).rejects.toMatchObject({
      code: 'TRUST_DATA_INVALID',
    });
  });
});
