import { once } from 'node:events';
import type { ServerOptions } from 'node:https';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { afterEach, describe, expect, it } from 'vitest';
import { makeAuthority } from '../../support/certificates.ts';
import { buildImage } from '../../support/image.ts';
import { plainGates } from '../../support/plain-gate.ts';

const image = buildImage();
const TAG = '/v2/team/app/manifests/1';
const undo: (() => unknown)[] = [];
afterEach(() => {
  for (const one of undo.splice(0)) one();
});

/** A registry over HTTPS that has one image. Gives its address, and the names of the clients that showed a certificate. */
async function secure(options: ServerOptions): Promise<{ url: string; clients: unknown[] }> {
  const clients: unknown[] = [];
  const server = createServer(options, (request, response) => {
    clients.push((request.socket as TLSSocket).getPeerCertificate().subject?.CN);
    response.writeHead(200, {
      'content-type': image.mediaType,
      'docker-content-digest': image.digest,
    });
    response.end(request.method === 'HEAD' ? undefined : image.manifest);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  undo.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `https://127.0.0.1:${(server.address() as AddressInfo).port}`, clients };
}

describe('an upstream over HTTPS', () => {
  const gates = plainGates();
  const registry = (url: string, rest = ''): string =>
    `  - { host: gate.test, upstream: "${url}"${rest} }`;

  it('is trusted by the authority that ca names', async () => {
    const { ca, server } = makeAuthority();
    const { url } = await secure({ ...server });
    const gate = await gates({
      registries: registry(url, ', ca: ca.pem'),
      files: { 'ca.pem': ca },
    });
    const answer = await gate.call('gate.test', 'GET', TAG);
    expect([answer.status, answer.body.equals(image.manifest)]).toEqual([200, true]);
  });

  it('is shown the client certificate of the folder that ca names, where it wants one', async () => {
    const { ca, server, client } = makeAuthority();
    const asking = { ...server, ca, requestCert: true };
    // Test certificates are made for servers, so that nobody takes them for a client's.
    const { url, clients } = await secure({ ...asking, rejectUnauthorized: false });
    const files = { 'tls/ca.crt': ca, 'tls/gate.cert': client.cert, 'tls/gate.key': client.key };
    const gate = await gates({ registries: registry(url, ', ca: tls'), files });
    expect((await gate.call('gate.test', 'GET', TAG)).status).toBe(200);
    expect(new Set(clients)).toEqual(new Set(['client']));
    const strict = await secure({ ...asking, rejectUnauthorized: true });
    const without = await gates({
      registries: registry(strict.url, ', ca: tls/ca.crt'),
      files: { 'tls/ca.crt': ca },
    });
    expect((await without.call('gate.test', 'GET', TAG)).status).toBe(503);
    expect(without.logs()).toContain('upstream failed');
  });

  it.each([
    [
      'of an authority that nobody trusts',
      makeAuthority(),
      makeAuthority().ca,
      /name the authority's certificate as ca/,
    ],
    [
      'that has expired',
      makeAuthority({ notAfter: new Date(Date.now() - 1000) }),
      null,
      /renew it there/,
    ],
    [
      'for another name',
      makeAuthority({ names: ['other.test'] }),
      null,
      /a certificate for another name/,
    ],
  ])(
    'T-75: with a certificate %s is 503, and the log says what to do',
    async (_, authority, ca, advice) => {
      const { url, clients } = await secure({ ...authority.server });
      const gate = await gates({
        registries: registry(url, ', ca: ca.pem'),
        files: { 'ca.pem': ca ?? authority.ca },
      });
      for (const target of [TAG, `/v2/team/app/blobs/${image.digest}`, '/v2/team/app/tags/list']) {
        const answer = await gate.call('gate.test', 'GET', target, {
          headers: { authorization: 'Basic c2VjcmV0' },
        });
        expect([answer.status, answer.headers['retry-after']]).toEqual([503, '5']);
      }
      expect(gate.logs()).toMatch(advice);
      expect(clients).toEqual([]);
    },
  );
});
