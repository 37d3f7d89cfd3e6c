import type { IncomingMessage, ServerResponse } from 'node:http';
import { describe, expect, it } from 'vitest';
import { digestOf } from '../../../src/oci/digest.ts';
import { MEDIA } from '../../../src/oci/media-types.ts';
import type { Attacked } from '../../support/attacked.ts';
import { attackedGates } from '../../support/attacked.ts';
import type { Called } from '../../support/http-call.ts';
import type { TestImage } from '../../support/image.ts';
import { contentImage, pushImage } from '../../support/image.ts';
import { answerError } from '../../support/wire-server.ts';

const MINUTE = 60_000;

type Trouble = (request: IncomingMessage, response: ServerResponse) => void;

const give = (response: ServerResponse, made: TestImage, digest: string = made.digest): void => {
  response.writeHead(200, {
    'content-type': made.mediaType,
    'content-length': made.manifest.length,
    'docker-content-digest': digest,
  });
  response.end(made.manifest);
};

/** Sends blanks for as long as anybody takes them. */
function flood(request: IncomingMessage, response: ServerResponse, length?: number): void {
  response.writeHead(200, {
    'content-type': MEDIA.ociManifest,
    ...(length === undefined ? {} : { 'content-length': length }),
  });
  // To HEAD there is no body to wait for.
  if (request.method === 'HEAD') return void response.end();
  const chunk = Buffer.alloc(65536, 0x20);
  const more = (): void => {
    if (response.destroyed) return;
    if (response.write(chunk)) setImmediate(more);
    else response.once('drain', more);
  };
  more();
}

/** Everything that a registry does instead of answering. */
const TROUBLES: readonly (readonly [string, Trouble])[] = [
  ...[400, 401, 403, 404, 405, 429, 500, 502, 503, 504, 204, 206, 301, 307].map(
    (status): readonly [string, Trouble] => [
      `status ${status}`,
      (_request, response) => answerError(response, status, 'UNKNOWN', 'trouble'),
    ],
  ),
  ['a reset', (request) => void request.socket.resetAndDestroy()],
  ['silence and an end', (request) => void request.socket.end()],
  ['no HTTP', (request) => void request.socket.end('220 mail.example.com ESMTP\r\n\r\n')],
  [
    'a cut body',
    (_request, response) => {
      response.writeHead(200, {
        'content-type': MEDIA.ociManifest,
        'content-length': 500,
      });
      response.write('{"schemaVersion":2', () => response.destroy());
    },
  ],
  ['an announced body of 4 GiB', (request, response) => flood(request, response, 2 ** 32)],
  ['an endless body in chunks', (request, response) => flood(request, response)],
];

/** Troubles that say "there is none": that is an answer, and not trouble, for what may be absent. */
const ABSENT = 'status 404';

describe('a pull', () => {
  const attacked = attackedGates();

  /** A gate over a registry with a signed and an unsigned image; nothing is warm. */
  async function stocked(): Promise<{ gate: Attacked; signed: TestImage; unsigned: TestImage }> {
    const gate = await attacked({ policy: 'push: allow' });
    const [signed, unsigned] = [contentImage('signed\n'), contentImage('unsigned\n')];
    await pushImage(gate.url, 'team/app', signed, '1');
    await pushImage(gate.url, 'team/app', unsigned, '2');
    expect((await gate.sign('team/app', signed.digest)).status).toBe(201);
    await gate.restart();
    return { gate, signed, unsigned };
  }
  const get = (gate: Attacked, reference: string, method = 'GET'): Promise<Called> =>
    gate.call(method, `/v2/team/app/manifests/${reference}`);

  it('serves a signed image by tag and digest with hashed bytes, and HEAD says what GET does', async () => {
    const { gate, signed, unsigned } = await stocked();
    for (const reference of ['1', signed.digest]) {
      const got = await get(gate, reference);
      expect(got).toMatchObject({ status: 200, body: signed.manifest });
      expect(got.headers).toMatchObject({
        'content-type': signed.mediaType,
        'docker-content-digest': signed.digest,
        etag: `"${signed.digest}"`,
      });
      const head = await get(gate, reference, 'HEAD');
      expect([head.status, head.body.length]).toEqual([200, 0]);
      expect({ ...head.headers, date: '' }).toEqual({ ...got.headers, date: '' });
    }
    for (const reference of ['2', unsigned.digest, '3', `sha256:${'0'.repeat(64)}`]) {
      const got = await get(gate, reference);
      const head = await get(gate, reference, 'HEAD');
      expect([head.status, head.headers['content-length']]).toEqual([
        got.status,
        got.headers['content-length'],
      ]);
      expect(got.status).toBe(['2', unsigned.digest].includes(reference) ? 403 : 404);
      expect(head.body.length).toBe(0);
    }
  });

  it('T-01, T-03: never serves other bytes than those that were decided on, however upstream alternates', async () => {
    const { gate, signed, unsigned } = await stocked();
    let turn = 0;
    gate.fault((request, response) => {
      if (!request.url?.endsWith('/manifests/1')) return false;
      give(response, turn++ % 2 === 0 ? signed : unsigned);
      return true;
    });
    const seen = new Set<number>();
    for (let round = 0; round < 300; round++) {
      gate.later(1001);
      const got = await get(gate, '1', round % 3 === 0 ? 'HEAD' : 'GET');
      seen.add(got.status);
      if (got.status !== 200) continue;
      expect(got.headers['docker-content-digest']).toBe(signed.digest);
      if (round % 3 !== 0) expect(digestOf(got.body)).toBe(signed.digest);
    }
    expect(seen).toEqual(new Set([200, 403]));
  });

  it('T-02: a tag that is moved to an unsigned image is refused within a second, warm or not', async () => {
    const { gate, unsigned } = await stocked();
    expect((await get(gate, '1')).status).toBe(200);
    await pushImage(gate.registry, 'team/app', unsigned, '1');
    gate.later(1001);
    expect((await get(gate, '1')).status).toBe(403);
  });

  it('T-04: other bytes for a digest are 502, never 200', async () => {
    const { gate, signed, unsigned } = await stocked();
    gate.fault((request, response) => {
      const asked =
        request.method === 'GET' && request.url?.endsWith(`/manifests/${signed.digest}`);
      if (asked === true) give(response, unsigned, signed.digest);
      return asked === true;
    });
    for (const reference of ['1', signed.digest]) {
      expect(await get(gate, reference)).toMatchObject({ status: 502 });
      expect(await get(gate, reference, 'HEAD')).toMatchObject({ status: 502 });
    }
    gate.fault(null);
    expect((await get(gate, signed.digest)).status).toBe(200);
  });

  it('T-05: a header that lies about the digest changes what is judged, never what is served', async () => {
    const { gate, signed, unsigned } = await stocked();
    for (const [claim, status] of [
      [signed.digest, 200],
      [unsigned.digest, 403],
      [signed.digest.toUpperCase(), 403],
      [`sha512:${'a'.repeat(128)}`, 403],
      ['sha256:abc', 403],
      ['', 403],
    ] as const) {
      gate.later(1001);
      // The tag is the unsigned image; the header says something else.
      gate.fault((request, response) => {
        if (!request.url?.endsWith('/manifests/2')) return false;
        give(response, unsigned, claim);
        return true;
      });
      const got = await get(gate, '2');
      expect([claim, got.status]).toEqual([claim, status]);
      if (got.status === 200) expect(digestOf(got.body)).toBe(signed.digest);
    }
  });

  it('T-37: what two readers could read differently is not served, signed or not', async () => {
    const gate = await attacked({ policy: 'push: allow' });
    const made = contentImage('twice\n');
    const text = made.manifest.toString();
    const odd: readonly string[] = [
      text.replace('{', '{"schemaVersion":2,'),
      `${text} trailing`,
      text.replace('"layers"', '"manifests":[],"layers"'),
      text.replace('"schemaVersion":2', '"schemaVersion":1'),
      `\ufeff${text}`,
    ];
    for (const one of odd) {
      const manifest = Buffer.from(one);
      const digest = digestOf(manifest);
      expect(await gate.sign('team/app', digest)).toMatchObject({ status: 201 });
      gate.fault((request, response) => {
        if (!request.url?.endsWith(`/manifests/${digest}`)) return false;
        give(response, { ...made, manifest, digest });
        return true;
      });
      const got = await get(gate, digest);
      expect([one.slice(0, 50), got.status === 200]).toEqual([one.slice(0, 50), false]);
      gate.fault(null);
    }
  });

  describe.each([
    [
      'the manifest',
      (url: string, made: TestImage) =>
        url.endsWith('/manifests/1') || url.endsWith(`/manifests/${made.digest}`),
    ],
    ['the signature tag', (url: string) => url.endsWith('.sig')],
    ['the payload', (url: string) => url.includes('/blobs/sha256:')],
  ])('T-39, T-57: of whose upstream comes trouble for %s', (what, hits) => {
    it('is never allowed, and nothing of it is remembered', async () => {
      const gate = await attacked({ policy: 'push: allow' });
      for (const [name, trouble] of TROUBLES) {
        const made = contentImage(name);
        await pushImage(gate.registry, 'team/app', made, '1');
        expect((await gate.sign('team/app', made.digest)).status).toBe(201);
        // Nothing of it is warm any more.
        gate.later(MINUTE + 1);
        let hit = 0;
        gate.fault((request, response) => {
          if (!hits(request.url ?? '', made)) return false;
          hit++;
          trouble(request, response);
          return true;
        });
        for (const reference of ['1', made.digest]) {
          const { status } = await get(gate, reference);
          // "There is none" is an answer; everything else is "could not find out".
          const absent = what === 'the manifest' ? 404 : 403;
          if (name === ABSENT) expect([name, status]).toEqual([name, absent]);
          else if (what !== 'the manifest') expect([name, status]).toEqual([name, 503]);
          else expect([name, [401, 403, 429, 502, 503].includes(status)]).toEqual([name, true]);
        }
        expect(hit).toBeGreaterThan(0);
        gate.fault(null);
        // An absence is believed for a moment, as every refusal is; trouble not at all.
        if (name === ABSENT) gate.later(3001);
        for (const reference of ['1', made.digest])
          expect([name, (await get(gate, reference)).status]).toEqual([name, 200]);
      }
    }, 120_000);
  });

  it('answers 503 with Retry-After where it could not find out', async () => {
    const { gate } = await stocked();
    gate.fault((request, response) => {
      const hit = request.url?.endsWith('.sig') === true;
      if (hit) answerError(response, 500, 'UNKNOWN', 'trouble');
      return hit;
    });
    const got = await get(gate, '1');
    expect(got).toMatchObject({ status: 503, code: 'UNAVAILABLE' });
    expect(Number(got.headers['retry-after'])).toBeGreaterThan(0);
    expect(got.headers['cache-control']).toBe('no-store');
  });

  it('keeps serving what it has verified while the registry is down, for a minute and no longer', async () => {
    const { gate, signed } = await stocked();
    expect((await get(gate, signed.digest)).status).toBe(200);
    gate.fault((request) => {
      request.socket.destroy();
      return true;
    });
    gate.later(30_000);
    expect((await get(gate, signed.digest)).status).toBe(200);
    gate.later(MINUTE);
    expect((await get(gate, signed.digest)).status).toBe(503);
  });

  it('T-54: a repository vouches for itself only', async () => {
    const { gate, signed } = await stocked();
    await pushImage(gate.url, 'team/other', signed, '1');
    expect((await get(gate, '1')).status).toBe(200);
    for (const reference of ['1', signed.digest]) {
      const got = await gate.call('GET', `/v2/team/other/manifests/${reference}`);
      expect(got).toMatchObject({ status: 403, code: 'DENIED' });
    }
  });
});
