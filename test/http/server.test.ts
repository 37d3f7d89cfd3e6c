import { Agent } from 'node:http';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MEDIA } from '../../src/oci/media-types.ts';
import type { Attacked } from '../support/attacked.ts';
import { attackedGates } from '../support/attacked.ts';
import type { TestImage } from '../support/image.ts';
import { contentImage, pushImage } from '../support/image.ts';
import { sendRaw, statusesOf } from '../support/raw-http.ts';
import { answerError } from '../support/wire-server.ts';

const DIGEST = `sha256:${'a'.repeat(64)}`;

describe('the server', () => {
  const attacked = attackedGates();

  /** A gate with one signed and one unsigned image. */
  async function stocked(): Promise<{
    readonly gate: Attacked;
    readonly signed: TestImage;
    readonly unsigned: TestImage;
  }> {
    const gate = await attacked({ policy: 'push: allow' });
    const [signed, unsigned] = [contentImage('signed\n'), contentImage('unsigned\n')];
    await pushImage(gate.url, 'team/app', signed, 'signed');
    await pushImage(gate.url, 'team/app', unsigned, 'unsigned');
    expect((await gate.sign('team/app', signed.digest)).status).toBe(201);
    gate.asked();
    return { gate, signed, unsigned };
  }

  it('answers for its own names only on /v2/ and /api/ (421), and for any on probes', async () => {
    const { gate, signed } = await stocked();
    const by = async (host: string, path: string): Promise<number> =>
      (await gate.call('GET', path, { headers: { host } })).status;
    for (const host of ['evil.example.com', `${gate.host}.evil.example.com`, `x@${gate.host}`]) {
      expect(await by(host, '/v2/')).toBe(421);
      expect(await by(host, `/v2/team/app/manifests/${signed.digest}`)).toBe(421);
      expect(await by(host, '/api/v1/holds')).toBe(421);
      expect(await by(host, '/healthz')).toBe(200);
      expect(await by(host, '/metrics')).toBe(200);
    }
    for (const line of ['Host:', `Host: ${gate.host}:1`, `Host: ${gate.host}, evil.example.com`]) {
      const answer = await sendRaw(
        gate.url,
        `GET /v2/ HTTP/1.1\r\n${line}\r\nConnection: close\r\n\r\n`,
      );
      expect([line, statusesOf(answer)]).toEqual([line, [421]]);
    }
    // Of two, a proxy on the way may have looked at the other one.
    const host = `Host: ${gate.host}\r\n`;
    for (const lines of [
      `${host}Host: evil.example.com\r\n`,
      `${host}hOST: ${gate.host}\r\n`,
      `${host}Authorization: Basic eDp5\r\nauthorization: Basic eDp6\r\n`,
    ])
      for (const path of ['/v2/', `/v2/team/app/manifests/${signed.digest}`, '/api/v1/holds']) {
        const answer = await sendRaw(
          gate.url,
          `GET ${path} HTTP/1.1\r\n${lines}Connection: close\r\n\r\n`,
        );
        expect([lines, path, statusesOf(answer)]).toEqual([lines, path, [400]]);
      }
    expect(statusesOf(await sendRaw(gate.url, 'GET /v2/ HTTP/1.1\r\n\r\n'))).toEqual([400]);
    expect(await by(gate.host, `/v2/team/app/manifests/${signed.digest}`)).toBe(200);
    expect(await by(gate.host.toUpperCase(), '/v2/team/app/manifests/signed')).toBe(200);
  });

  it('T-35: refuses methods that it does not know, and passes none of them on', async () => {
    const { gate, unsigned } = await stocked();
    const targets = [
      '/v2/',
      '/v2/_catalog',
      '/v2/team/app/manifests/unsigned',
      `/v2/team/app/blobs/${unsigned.digest}`,
      '/v2/team/app/blobs/uploads/',
      '/v2/team/app/tags/list',
      `/v2/team/app/referrers/${DIGEST}`,
    ];
    const methods = ['OPTIONS', 'TRACE', 'PATCH', 'PROPFIND', 'SEARCH', 'PURGE', 'COPY', 'MOVE'];
    for (const target of targets) {
      for (const method of methods) {
        const { status } = await gate.call(method, target);
        expect([method, target, [404, 405].includes(status)]).toEqual([method, target, true]);
      }
    }
    expect(gate.asked()).toEqual([]);
    expect(
      statusesOf(await sendRaw(gate.url, `BREW /v2/ HTTP/1.1\r\nHost: ${gate.host}\r\n\r\n`)),
    ).toEqual([400]);
    const tunnel = `CONNECT ${new URL(gate.registry).host} HTTP/1.1\r\nHost: ${gate.host}\r\n\r\n`;
    expect(await sendRaw(gate.url, tunnel)).not.toContain(' 200 ');
    expect(gate.asked()).toEqual([]);
  });

  it('T-30: refuses every other spelling of a path with 400 or 404 and asks nothing upstream', async () => {
    const { gate, signed } = await stocked();
    for (const path of [
      '//v2/team/app/manifests/signed',
      '/v2//team/app/manifests/signed',
      '/v2/team//app/manifests/signed',
      '/v2/./team/app/manifests/signed',
      '/v2/team/../team/app/manifests/signed',
      '/v2/team/app/manifests/signed/',
      '/v2/team/app/manifests/signed/.',
      '/v2/team%2fapp/manifests/signed',
      '/v2/team/app/manifests/%73igned',
      '/%76%32/team/app/manifests/signed',
      '/v2/team/app/%2e%2e/app/manifests/signed',
      '/v2/team/app%5c/manifests/signed',
      '/v2/team/app/manifests/signed;x=y',
      '/v2/team/app/manifests/signed%00',
      '/v2/team/app/manifests/signed%zz',
      '/V2/team/app/manifests/signed',
      '/v2/Team/app/manifests/signed',
      `/v2/team/app/manifests/${signed.digest.toUpperCase()}`,
      `/v2/team/app/manifests/${'x'.repeat(3000)}`,
      '/v3/team/app/manifests/signed',
    ]) {
      const answer = await gate.call('GET', path);
      expect([path, [400, 404].includes(answer.status)]).toEqual([path, true]);
      expect(answer.code).toMatch(/^[A-Z_]+$/);
    }
    expect(gate.asked()).toEqual([]);
  });

  it('T-30: does not take the host of an absolute request line for its own', async () => {
    const { gate } = await stocked();
    const ask = (target: string, host: string): Promise<string> =>
      sendRaw(gate.url, `GET ${target} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
    for (const target of ['http://evil.example.com', gate.url, gate.registry]) {
      const [status] = statusesOf(await ask(`${target}/v2/team/app/manifests/signed`, gate.host));
      expect([400, 404]).toContain(status);
    }
    expect(statusesOf(await ask(`${gate.url}/api/v1/holds`, 'evil.example.com'))).toEqual([421]);
    expect(gate.asked()).toEqual([]);
  });

  it('T-30: refuses messages that two readers would cut differently', async () => {
    const { gate } = await stocked();
    const smuggled = 'GET /v2/team/app/tags/list HTTP/1.1\r\nHost: x\r\n\r\n';
    const head = `PUT /v2/team/app/manifests/x HTTP/1.1\r\nHost: ${gate.host}\r\nConnection: close\r\nContent-Type: ${MEDIA.ociManifest}\r\n`;
    const length = `Content-Length: ${smuggled.length}\r\n`;
    for (const headers of [
      `${length}Transfer-Encoding: chunked\r\n`,
      `Transfer-Encoding: chunked\r\n${length}`,
      `Content-Length: 3\r\n${length}`,
      'Content-Length: -1\r\n',
      'Content-Length: +5\r\n',
      'Content-Length: 0x10\r\n',
      'Content-Length: 5, 6\r\n',
      'Transfer-Encoding: chunked, identity\r\n',
      'Transfer-Encoding: xchunked\r\n',
      'Transfer-Encoding : chunked\r\n',
      ' Transfer-Encoding: chunked\r\n',
      `Host: evil.example.com\r\n${length}`,
    ]) {
      const statuses = statusesOf(await sendRaw(gate.url, `${head}${headers}\r\n${smuggled}`));
      expect([headers, statuses]).toEqual([headers, [400]]);
    }
    expect(gate.asked()).toEqual([]);
  });

  it('T-59: refuses headers beyond their bound', async () => {
    const { gate } = await stocked();
    const big = await sendRaw(
      gate.url,
      `GET /v2/ HTTP/1.1\r\nHost: ${gate.host}\r\nX-Big: ${'x'.repeat(20_000)}\r\n\r\n`,
    );
    expect(statusesOf(big)).toEqual([431]);
    const many = Array.from({ length: 3000 }, (_, n) => `X-${n}: y\r\n`).join('');
    const answer = await sendRaw(
      gate.url,
      `GET /v2/ HTTP/1.1\r\nHost: ${gate.host}\r\n${many}\r\n`,
    );
    expect(statusesOf(answer)).toEqual([431]);
  });

  it('T-36: gives the same verdict and bytes whatever headers a client adds', async () => {
    const { gate, signed, unsigned } = await stocked();
    const plain = {
      signed: await gate.call('GET', '/v2/team/app/manifests/signed'),
      unsigned: await gate.call('GET', `/v2/team/app/manifests/${unsigned.digest}`),
    };
    expect([plain.signed.status, plain.unsigned.status]).toEqual([200, 403]);
    const known = [
      'x-http-method-override',
      'x-original-url',
      'x-rewrite-url',
      'x-forwarded-for',
      'x-forwarded-host',
      'x-forwarded-proto',
      'x-real-ip',
      'forwarded',
      'user-agent',
      'accept-encoding',
      'if-modified-since',
      'range',
      'origin',
      'referer',
      'cookie',
      'via',
      'te',
      'content-type',
      'docker-content-digest',
      'docker-distribution-api-version',
      'oci-subject',
      'cache-control',
    ];
    const values = [
      'DELETE',
      'PUT',
      `/v2/team/app/manifests/${signed.digest}`,
      '127.0.0.1',
      'for=127.0.0.1;host=evil.example.com;proto=https',
      signed.digest,
      unsigned.digest,
      `"${signed.digest}"`,
      `"${unsigned.digest}"`,
      'bytes=0-3',
      'cosign/2.5 (linux; amd64)',
      'harbor-scanner-adapter',
      '*/*',
      'application/vnd.docker.distribution.manifest.v1+prettyjws',
      'gzip',
      'no-cache',
    ];
    const name = fc.oneof(fc.constantFrom(...known), fc.stringMatching(/^x-[a-z]{1,12}$/));
    const value = fc.oneof(fc.constantFrom(...values), fc.stringMatching(/^[!-~]{1,40}$/));
    await fc.assert(
      fc.asyncProperty(fc.dictionary(name, value, { maxKeys: 6 }), async (headers) => {
        const one = await gate.call('GET', '/v2/team/app/manifests/signed', { headers });
        expect([one.status, one.body]).toEqual([200, plain.signed.body]);
        const target = `/v2/team/app/manifests/${unsigned.digest}`;
        const other = await gate.call('GET', target, { headers });
        expect([other.status, other.code]).toEqual([403, 'DENIED']);
        const push = await gate.call('PUT', '/v2/team/app/manifests/x?tag=y', { headers });
        expect(push.status).toBe(400);
      }),
      { numRuns: 150 },
    );
  });

  it('changes nothing by what a query says', async () => {
    const { gate, signed, unsigned } = await stocked();
    for (const query of [
      'ns=docker.io',
      'digest=x',
      `tag=signed&digest=${signed.digest}`,
      '%zz',
      '?',
      '#',
    ]) {
      const answer = await gate.call('GET', `/v2/team/app/manifests/${unsigned.digest}?${query}`);
      expect([query, answer.status]).toEqual([query, 403]);
    }
  });

  it('writes one line for each request, with what it came to', async () => {
    const { gate, unsigned } = await stocked();
    const before = gate.logs().split('\n').length;
    await gate.call('GET', '/v2/team/app/manifests/signed');
    await gate.call('GET', `/v2/team/app/manifests/${unsigned.digest}`);
    await gate.call('GET', '/v2/..%2f');
    await gate.call('GET', '/nothing/here');
    await gate.call('GET', '/api/v1/holds');
    await gate.call('GET', '/healthz');
    const lines = gate
      .logs()
      .split('\n')
      .slice(before)
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(lines.map(({ route, status, code }) => [route, status, code])).toEqual([
      ['manifest', 200, undefined],
      ['manifest', 403, 'NOT_TRUSTED'],
      ['v2', 400, 'PATH_INVALID'],
      ['other', 404, 'NOT_FOUND'],
      ['api', 200, undefined],
      ['operation', 200, undefined],
    ]);
  });

  it('T-67: makes no series of ten thousand repository names', async () => {
    const { gate } = await stocked();
    const series = async (): Promise<number> =>
      (await gate.call('GET', '/metrics')).text.split('\n').filter((line) => /^[a-z]/.test(line))
        .length;
    gate.fault((_request, response) => {
      answerError(response, 404, 'NAME_UNKNOWN', 'no such repository');
      return true;
    });
    const agent = new Agent({ keepAlive: true, maxSockets: 20 });
    const ask = async (n: number): Promise<void> => {
      const target = `/v2/other/app${n}/manifests/tag${n}`;
      expect((await gate.call('GET', target, { agent })).status).toBe(404);
    };
    await ask(0);
    await series();
    const before = await series();
    for (let n = 1; n <= 10_000; n += 50)
      await Promise.all(Array.from({ length: 50 }, (_, k) => ask(n + k)));
    agent.destroy();
    expect(await series()).toBe(before);
  }, 120_000);
});
