import type { ServerResponse } from 'node:http';
import { describe, expect, it } from 'vitest';
import { SERVICE } from '../../../src/gate/access/caller.ts';
import { openUpstream } from '../../../src/gate/upstream/open.ts';
import { MEDIA } from '../../../src/oci/media-types.ts';
import type { Attacked } from '../../support/attacked.ts';
import { attackedGates } from '../../support/attacked.ts';
import { buildImage, pushImage } from '../../support/image.ts';
import { tarLayer } from '../../support/tar.ts';
import { answerError, startWireServer } from '../../support/wire-server.ts';

const MIB = 1024 * 1024;
const signed = buildImage();
const evil = buildImage({ layers: [tarLayer({ evil: 'evil\n' })] });
const TAG = '/v2/team/app/manifests/1';
const BY_DIGEST = `/v2/team/app/manifests/${signed.digest}`;
const LIMITS = {
  'ratelimit-limit': '100;w=21600',
  'ratelimit-remaining': '0;w=21600',
  'docker-ratelimit-source': '192.0.2.7',
  'retry-after': '31',
};

describe('an upstream that lies, floods or fails', () => {
  const attacked = attackedGates();

  async function site(): Promise<Attacked> {
    const gate = await attacked();
    await pushImage(gate.registry, 'team/app', signed, '1');
    await pushImage(gate.registry, 'team/app', evil, 'evil');
    await gate.signBehind('team/app', signed.digest);
    return gate;
  }
  /** Answers every request for the image's manifest itself. */
  const manifests = (
    gate: Attacked,
    answer: (response: ServerResponse, n: number) => void,
  ): void => {
    let n = 0;
    gate.fault((request, response) => {
      if (request.url !== TAG && request.url !== BY_DIGEST) return false;
      answer(response, n++);
      return true;
    });
  };
  const give = (response: ServerResponse, image = signed, headers = {}): void => {
    response.writeHead(200, { 'content-type': image.mediaType, ...headers }).end(image.manifest);
  };
  const pull = async (gate: Attacked, target: string) => {
    // Nothing that was resolved a moment ago counts.
    gate.later(2000);
    return gate.call('GET', target);
  };

  it('T-01, T-04: that flips manifests between requests never gets an unsigned one served', async () => {
    const gate = await site();
    manifests(gate, (response, n) => give(response, n % 2 === 0 ? signed : evil));
    let served = 0;
    for (let round = 0; round < 100; round++) {
      for (const target of [TAG, BY_DIGEST]) {
        const answer = await pull(gate, target);
        expect([200, 403, 502, 503]).toContain(answer.status);
        expect(answer.body.includes(evil.manifest)).toBe(false);
        if (answer.status === 200) {
          expect(answer.body.equals(signed.manifest)).toBe(true);
          expect(answer.headers['docker-content-digest']).toBe(signed.digest);
          served++;
        }
      }
    }
    expect(served).toBeGreaterThan(0);
  });

  it.each([
    ['another digest', { 'docker-content-digest': evil.digest }, [403, 502]],
    ['no digest', {}, [200]],
    ['a digest that is none', { 'docker-content-digest': 'sha256:x' }, [200]],
    ['an upper-case one', { 'docker-content-digest': signed.digest.toUpperCase() }, [200]],
    ['another algorithm', { 'docker-content-digest': `sha512:${'a'.repeat(128)}` }, [403, 502]],
    [
      'another type',
      { 'content-type': MEDIA.ociIndex, 'docker-content-digest': signed.digest },
      [400, 502],
    ],
  ])(
    'T-05: that claims %s in its headers is believed nothing of it',
    async (_, headers, statuses) => {
      const gate = await site();
      manifests(gate, (response) => give(response, signed, headers));
      const answer = await pull(gate, TAG);
      expect(statuses).toContain(answer.status);
      if (answer.status === 200)
        expect([
          answer.headers['docker-content-digest'],
          answer.body.equals(signed.manifest),
        ]).toEqual([signed.digest, true]);
      else expect(answer.body.includes(signed.manifest)).toBe(false);
    },
  );

  it('T-59: that sends 4 GiB where a manifest is expected is cut off after 4 MiB', async () => {
    const gate = await site();
    for (const claimed of [undefined, 4 * 1024 * MIB, 10]) {
      let sent = 0;
      manifests(gate, (response) => {
        response.writeHead(200, {
          'content-type': signed.mediaType,
          'docker-content-digest': signed.digest,
          ...(claimed === undefined || claimed === 10 ? {} : { 'content-length': claimed }),
        });
        response.on('error', () => undefined);
        // Node takes what is written to an answer of a HEAD, and sends none of it.
        if (response.req.method === 'HEAD') return void response.end();
        const chunk = Buffer.alloc(MIB, 32);
        const more = (): void => {
          while (sent < 4 * 1024 * MIB && !response.destroyed) {
            sent += MIB;
            if (!response.write(chunk)) return void response.once('drain', more);
          }
          response.end();
        };
        more();
      });
      for (const target of [TAG, BY_DIGEST]) {
        const answer = await pull(gate, target);
        expect([502, 503]).toContain(answer.status);
      }
      expect(sent).toBeLessThan(128 * MIB);
    }
    gate.fault(null);
    expect((await pull(gate, TAG)).status).toBe(200);
  });

  it('that breaks off or resets is 503 and no verdict; a cut blob ends the connection', async () => {
    const gate = await site();
    const faults: ((response: ServerResponse) => void)[] = [
      (r) => r.destroy(),
      (r) =>
        r
          .writeHead(200, { 'content-type': signed.mediaType, 'content-length': 9999 })
          .write('{', () => r.destroy()),
      (r) =>
        r.writeHead(200, { 'content-type': signed.mediaType }).write('{"schema', () => r.destroy()),
      (r) => answerError(r, 500, 'UNKNOWN', 'no'),
      (r) => answerError(r, 502, 'UNKNOWN', 'no'),
      (r) => r.socket?.end('HTTP/1.1 999 \r\nx\r\n\r\n'),
    ];
    for (const fault of faults) {
      manifests(gate, fault);
      for (const target of [TAG, BY_DIGEST]) {
        const answer = await pull(gate, target);
        expect([answer.status, answer.headers['retry-after']]).toEqual([503, '5']);
      }
    }
    gate.fault((request, response) => {
      if (!request.url?.includes('/blobs/')) return false;
      response.writeHead(200, { 'content-length': 1000 });
      response.write('half', () => response.destroy());
      return true;
    });
    const blob = gate.call('GET', `/v2/team/app/blobs/${[...signed.blobs.keys()][0]}`);
    await expect(blob).rejects.toThrow('aborted');
    gate.fault(null);
    expect((await pull(gate, TAG)).status).toBe(200);
  });

  it('that stalls before the headers or in a body is given up, without holding up anybody else', async () => {
    const gate = await site();
    const upstream = await startWireServer((request, response) => {
      if (request.url?.includes('/silent/')) return;
      response.writeHead(200, { 'content-type': signed.mediaType }).write('{"schema');
    });
    const open = openUpstream({
      origin: upstream.url,
      passCredentials: false,
      timeouts: { headers: 300, body: 300 },
    });
    try {
      for (const path of ['silent/app', 'dripping/app']) {
        const asking = open.manifest(path, signed.digest, SERVICE);
        await expect(asking).rejects.toMatchObject({ code: 'UPSTREAM_UNAVAILABLE' });
      }
      const blob = await open.exchange(
        { method: 'GET', path: `/v2/dripping/app/blobs/${signed.digest}`, headers: {} },
        SERVICE,
      );
      await expect(blob.body.text()).rejects.toThrow('Body Timeout Error');
    } finally {
      await open.close();
      await upstream.stop();
    }
    // One request that hangs upstream: others of the same gate go on.
    const silent: ServerResponse[] = [];
    manifests(gate, (response) => silent.push(response));
    const hanging = gate.call('GET', TAG);
    const blob = `/v2/team/app/blobs/${[...signed.blobs.keys()][0]}`;
    expect((await gate.call('GET', blob)).status).toBe(200);
    for (const response of silent) response.destroy();
    expect((await hanging).status).toBe(503);
  });

  it('T-57: that limits requests: 429 and its headers pass unchanged on every path, and judge nothing', async () => {
    const gate = await site();
    gate.fault((_, response) => {
      response.writeHead(429, { ...LIMITS, 'content-type': 'application/json' });
      response.end('{"errors":[{"code":"TOOMANYREQUESTS","message":"slow down"}]}');
      return true;
    });
    const paths = [
      TAG,
      BY_DIGEST,
      '/v2/team/app/tags/list',
      `/v2/team/app/blobs/${[...signed.blobs.keys()][0]}`,
      '/v2/_catalog',
    ];
    for (const target of paths) {
      const answer = await pull(gate, target);
      expect([target, answer.status, answer.code]).toEqual([target, 429, 'TOOMANYREQUESTS']);
      expect(answer.headers).toMatchObject(LIMITS);
    }
    // Where only the signature's own requests are limited, the image cannot be judged.
    gate.fault((request, response) => {
      if (!/\.sig$|referrers/.test(request.url ?? '')) return false;
      response.writeHead(429, LIMITS).end();
      return true;
    });
    expect((await pull(gate, TAG)).status).toBe(503);
    gate.fault(null);
    expect((await pull(gate, TAG)).status).toBe(200);
  });

  it('that counts requests is heard where manifests are served, by the credential that it counted', async () => {
    const gate = await site();
    const { 'retry-after': _, ...limits } = LIMITS;
    const one = { authorization: 'Basic b25lOm9uZQ==' };
    gate.fault((request, response) => {
      if (request.headers.authorization === one.authorization)
        for (const [name, value] of Object.entries(limits)) response.setHeader(name, value);
      return false;
    });
    for (const target of [TAG, BY_DIGEST, '/v2/team/app/tags/list']) {
      const counted = await gate.call('GET', target, { headers: one });
      expect(counted.status).toBe(200);
      expect(counted.headers).toMatchObject(limits);
      const other = await gate.call('GET', target);
      expect([other.status, other.headers['ratelimit-limit']]).toEqual([200, undefined]);
    }
  });

  it('T-76: that names other hosts in what it answers gets none of them asked', async () => {
    const gate = await site();
    const asked: string[] = [];
    const other = await startWireServer((request, response) => {
      asked.push(request.url ?? '');
      response.end('{}');
    });
    try {
      gate.fault((request, response) => {
        if (request.method === 'PUT' || request.method === 'POST') return false;
        response.writeHead(307, {
          location: `${other.url}/x`,
          link: `<${other.url}/next>; rel="next"`,
          'www-authenticate': `Bearer realm="${other.url}/token"`,
        });
        response.end();
        return true;
      });
      for (const target of [TAG, BY_DIGEST, '/v2/team/app/tags/list', '/v2/'])
        await pull(gate, target);
      expect(asked).toEqual([]);
    } finally {
      await other.stop();
    }
  });
});
