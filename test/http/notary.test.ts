import { hashSync } from 'bcryptjs';
import { describe, expect, it } from 'vitest';
import { sha256Hex } from '../../src/lib/bytes.ts';
import { LIMITS } from '../../src/lib/limits.ts';
import { PASSWORD, as } from '../support/attacked.ts';
import type { Called, CallOptions } from '../support/http-call.ts';
import type { PlainGate } from '../support/plain-gate.ts';
import { plainGates } from '../support/plain-gate.ts';
import type { TrustHttp } from '../support/trust-http.ts';
import { multipart, trustPath } from '../support/trust-http.ts';
import type { Publisher } from '../support/trust-publisher.ts';
import { makePublisher } from '../support/trust-publisher.ts';
import { makeHand, tag } from '../support/tuf.ts';
import { startWireServer } from '../support/wire-server.ts';

const HOST = 'registry.example.com';
const GUN = `${HOST}/team/app`;
const ALIAS = 'registry.internal:5443';
const EMBEDDED = `  - { host: ${HOST}, aliases: ["${ALIAS}"], upstream: embedded }`;
const CURRENT = 'public, max-age=300, s-maxage=300, must-revalidate';

/** The client of one person, by the headers that it sends. */
function clientOf(gate: PlainGate, headers: Record<string, string> = {}): TrustHttp {
  const send: TrustHttp['call'] = async (method, path, options = {}) => {
    const {
      status,
      headers: received,
      body,
      text,
      code,
    } = await gate.call(HOST, method, path, {
      ...options,
      headers: { ...headers, ...options.headers },
    });
    const detail =
      code === undefined
        ? undefined
        : (JSON.parse(text) as { errors: { detail?: unknown }[] }).errors[0]?.detail;
    return { status, headers: received, body, code, detail };
  };
  return {
    url: `http://${HOST}`,
    call: send,
    file: (gun, name) => send('GET', trustPath(gun, name)),
    publish: (gun, parts, more = {}) => {
      const { type, body } = multipart(parts);
      return send('POST', trustPath(gun), { headers: { ...more, 'content-type': type }, body });
    },
  };
}

async function published(http: TrustHttp, gun = GUN): Promise<Publisher> {
  const publisher = await makePublisher(http, gun);
  const answer = await http.publish(gun, await publisher.first({ '1': tag('one') }));
  expect([answer.status, answer.body.toString()]).toEqual([200, '']);
  return publisher;
}

/** An upload of more than is read. */
const HUGE = [['root', Buffer.alloc(LIMITS.trustUploadBytes)]] as const;

const USERS = ['ci', 'dev', 'boss', 'nobody']
  .map((name) => `${name}:${hashSync(PASSWORD, 4)}\n`)
  .join('');

describe('the trust server by HTTP', () => {
  const open = plainGates();
  const start = (
    options: { access?: string; registries?: string; files?: Record<string, string> } = {},
  ): Promise<PlainGate> =>
    open({ registries: EMBEDDED, ...options, files: { users: USERS, ...options.files } });

  it('serves what was published byte for byte, to GET and HEAD, with Notary’s headers', async () => {
    const http = clientOf(await start());
    const publisher = await published(http);
    const targets = await publisher.targets(2, { '2': tag('two') });
    expect((await http.publish(GUN, [['targets.json', targets]])).status).toBe(200);
    const current = await http.file(GUN, 'targets.json');
    expect(current.body).toEqual(targets);
    expect(current.headers).toMatchObject({
      'cache-control': CURRENT,
      'content-length': String(targets.length),
      'last-modified': expect.stringMatching(/^\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT$/),
    });
    expect(current.headers).not.toHaveProperty('etag');
    const head = await http.call('HEAD', trustPath(GUN, 'targets.json'));
    expect([head.status, head.body.length]).toEqual([200, 0]);
    expect(head.headers['content-length']).toBe(String(targets.length));
    for (const name of [`targets.${sha256Hex(targets)}.json`, '2.targets.json']) {
      const kept = await http.file(GUN, name);
      expect(kept.body).toEqual(targets);
      expect(kept.headers['cache-control']).toBe('public, max-age=2592000, s-maxage=2592000');
    }
    const key = await http.file(GUN, 'timestamp.key');
    expect(key.headers['cache-control']).toBe('no-store');
    expect(JSON.parse(key.body.toString())).toEqual({
      keytype: 'ecdsa',
      keyval: { public: expect.any(String), private: null },
    });
  });

  it('T-30: finds nothing under other spellings, and sends nobody elsewhere', async () => {
    const http = clientOf(await start());
    await published(http);
    for (const path of [
      `/v2/${GUN}//_trust/tuf/root.json`,
      `/v2/${GUN}/_trust/tuf/../tuf/root.json`,
      `/v2/${GUN}/_trust/tuf/root.json/`,
      `/v2/${GUN}/_trust/tuf`,
      `/v2/${GUN}/_trust/tuf/Root.json`,
      `/v2/${GUN.toUpperCase()}/_trust/tuf/root.json`,
      `/v2/${HOST}:443/team/app/_trust/tuf/root.json`,
      `/v2/${ALIAS}/team/app/_trust/tuf/root.json`,
      '/v2/team/app/_trust/tuf/root.json',
      `/v2/${GUN}/_trust/tuf/targets/none.json`,
      `/v2/${GUN}/_trust/tuf/0.root.json`,
      `/v2/${GUN}/_trust/tuf/root.${'0'.repeat(64)}.json`,
      '/v2/_trust/tuf/root.json',
    ]) {
      const answer = await http.call('GET', path);
      expect([path, answer.status, answer.code]).toEqual([path, 404, 'METADATA_NOT_FOUND']);
      expect(answer.headers['cache-control']).toBe('no-store');
    }
    // Hidden from this server by their encoding, and refused by the registry's own reader.
    const encoded = await http.call('GET', `/v2/${GUN}/%5ftrust/tuf/root.json`);
    expect([encoded.status, encoded.code]).toEqual([400, 'NAME_INVALID']);
  });

  it('says of methods what Notary’s router says', async () => {
    const http = clientOf(await start());
    await published(http);
    for (const [method, path] of [
      ['PUT', trustPath(GUN, 'root.json')],
      ['DELETE', trustPath(GUN, 'root.json')],
      ['POST', trustPath(GUN, 'targets.json')],
      ['GET', trustPath(GUN)],
      ['DELETE', trustPath(GUN, 'timestamp.key')],
    ] as const) {
      const answer = await http.call(method, path);
      expect([method, answer.status, answer.code]).toEqual([method, 404, 'METADATA_NOT_FOUND']);
    }
    for (const method of ['PATCH', 'OPTIONS', 'PROPFIND']) {
      const answer = await http.call(method, trustPath(GUN, 'root.json'));
      expect([method, answer.status, answer.body.toString()]).toEqual([method, 405, '']);
    }
  });

  it('publishes under the one name of a repository: an alias, another host or another Host header is refused', async () => {
    const gate = await start();
    const http = clientOf(gate);
    const parts = await (await makePublisher(http, GUN)).first();
    for (const gun of [`${ALIAS}/team/app`, 'evil.example.com/team/app', 'team/app', 'app']) {
      const answer = await http.publish(gun, parts);
      expect(answer).toMatchObject({
        status: 400,
        code: 'INVALID_GUN',
        detail: `Require GUNs with prefix: [${HOST}/]`,
      });
      expect((await http.file(gun, 'timestamp.key')).status).toBe(404);
      expect((await http.call('DELETE', trustPath(gun))).status).toBe(404);
    }
    const { type, body } = multipart(parts);
    const options: CallOptions = { headers: { 'content-type': type }, body };
    const elsewhere = await gate.call('evil.example.com', 'POST', trustPath(GUN), options);
    expect(elsewhere.status).toBe(421);
    // Clients that call the registry by an alias still name the repository by its host.
    expect((await gate.call(ALIAS, 'POST', trustPath(GUN), options)).status).toBe(200);
  });

  it('T-59: an upload is bounded in bytes and parts, and says so', async () => {
    const http = clientOf(await start());
    const large = await http.publish(GUN, [['root', Buffer.alloc(LIMITS.trustUploadBytes + 1)]]);
    expect([large.status, large.code]).toEqual([413, 'MALFORMED_UPLOAD']);
    const many = Array.from({ length: LIMITS.trustUploadParts + 1 }, (_, at) => {
      return [`targets/x${at}`, Buffer.from('{}')] as const;
    });
    const answer = await http.publish(GUN, many);
    expect([answer.status, answer.code]).toEqual([400, 'MALFORMED_UPLOAD']);
  });

  it('an upload that names no role, or none that there is, is told by Notary’s code, and one role twice is refused', async () => {
    const http = clientOf(await start());
    const { body, type } = multipart([['targets/releases', Buffer.from('{}')]]);
    const send = (text: string): Promise<unknown> =>
      http
        .call('POST', trustPath(GUN), { headers: { 'content-type': type }, body: text })
        .then(({ status, code }) => [status, code]);
    const text = body.toString();
    expect(await send(text)).toEqual([400, 'MALFORMED_JSON']);
    expect(await send(text.replace('targets/releases', ''))).toEqual([400, 'NO_FILENAME']);
    expect(await send(text.replace('; filename="targets/releases"', ''))).toEqual([
      400,
      'NO_FILENAME',
    ]);
    for (const role of ['releases', '../root', 'targets/../root', 'targets/', '/root', 'Root']) {
      expect(await send(text.replace('targets/releases', role))).toEqual([400, 'INVALID_ROLE']);
    }
    expect(await send(text.slice(0, -20))).toEqual([400, 'MALFORMED_JSON']);
    const publisher = await makePublisher(http, GUN);
    const root = await publisher.root();
    const twice = await http.publish(GUN, [...(await publisher.first()), ['root', root]]);
    expect([twice.status, twice.code]).toEqual([400, 'INVALID_UPDATE']);
    expect((await http.file(GUN, 'root.json')).status).toBe(404);
  });

  describe('with identities', () => {
    const ACCESS = `
  - { repositories: ["${HOST}/team/**"], pull: [dev, ci], push: [ci], delete: [boss] }
  - { repositories: ["${HOST}/**"], admin: [boss] }`;

    it('asks strangers to log in, as docker expects, and answers each right by itself', async () => {
      const gate = await start({ access: ACCESS });
      const [ci, dev, boss, nobody, stranger] = [
        clientOf(gate, as('ci')),
        clientOf(gate, as('dev')),
        clientOf(gate, as('boss')),
        clientOf(gate, as('nobody')),
        clientOf(gate),
      ];
      await published(ci);
      const tries = async (http: TrustHttp): Promise<Record<string, number>> => {
        const status = async (method: string, path: string): Promise<number> =>
          (await http.call(method, path)).status;
        return {
          read: await status('GET', trustPath(GUN, 'root.json')),
          missing: await status('GET', trustPath(`${HOST}/team/none`, 'root.json')),
          feed: await status('GET', `/v2/${GUN}/_trust/changefeed?records=1`),
          key: await status('GET', trustPath(GUN, 'timestamp.key')),
          rotate: await status('POST', trustPath(GUN, 'timestamp.key')),
          all: await status('GET', '/v2/_trust/changefeed?records=1'),
          delete: await status('DELETE', trustPath(`${HOST}/team/none`)),
        };
      };
      const none = { read: 401, missing: 401, feed: 401, key: 401, rotate: 401, all: 401 };
      expect(await tries(stranger)).toEqual({ ...none, delete: 401 });
      expect(await tries(nobody)).toEqual({ ...none, delete: 401 });
      const pull = { ...none, read: 200, missing: 404, feed: 200 };
      expect(await tries(dev)).toEqual({ ...pull, delete: 401 });
      expect(await tries(ci)).toEqual({ ...pull, key: 200, rotate: 200, delete: 401 });
      expect(await tries(boss)).toEqual({ ...none, all: 200, delete: 200 });
      const refused = await stranger.file(GUN, 'root.json');
      expect(refused.headers['www-authenticate']).toBe(
        'Basic realm="countersign", charset="UTF-8"',
      );
      expect(refused.code).toBe('UNAUTHORIZED');
      const wrong = await clientOf(gate, {
        authorization: `Basic ${Buffer.from('ci:wrong').toString('base64')}`,
      }).file(GUN, 'root.json');
      expect(wrong.status).toBe(401);
    });

    it('who may not push publishes nothing, and stores nothing', async () => {
      const gate = await start({ access: ACCESS });
      const ci = clientOf(gate, as('ci'));
      const parts = await (await makePublisher(ci, GUN)).first();
      for (const headers of [{}, as('dev'), as('nobody'), as('boss')]) {
        const answer = await clientOf(gate, headers).publish(GUN, parts);
        expect([answer.status, answer.code]).toEqual([401, 'UNAUTHORIZED']);
      }
      expect((await ci.file(GUN, 'root.json')).status).toBe(404);
      expect((await ci.publish(GUN, parts)).status).toBe(200);
      // What is refused whatever it says is not even read.
      expect((await clientOf(gate, as('dev')).publish(GUN, HUGE)).status).toBe(401);
      expect((await ci.publish(GUN, HUGE)).status).toBe(413);
    });

    it('a first root that policy pins is published by who may only read, and no other', async () => {
      const [pinned, other] = [`${HOST}/team/pinned`, `${HOST}/team/other`];
      const hands = {
        root: await makeHand('ecdsa-p256', { gun: pinned, now: new Date() }),
        targets: await makeHand('ecdsa-p256'),
      };
      const policies = (roots: string): string =>
        `version: 1\npolicies:\n  - { name: all, images: ["**"], mode: "off"${roots} }\n`;
      const gate = await start({
        access: ACCESS,
        files: { 'policies/all.yaml': policies(`, roots: ["${hands.root.keyid}"]`) },
      });
      const [ci, dev] = [clientOf(gate, as('ci')), clientOf(gate, as('dev'))];
      const parts = await (await makePublisher(ci, pinned, hands)).first();
      const stranger = await (await makePublisher(ci, other)).first();
      expect((await clientOf(gate).publish(pinned, parts)).status).toBe(401);
      expect((await clientOf(gate, as('nobody')).publish(pinned, parts)).status).toBe(401);
      expect(await dev.publish(other, stranger)).toMatchObject({
        status: 401,
        code: 'UNAUTHORIZED',
        detail: expect.stringMatching(/right to push/),
      });
      expect((await dev.publish(pinned, parts)).status).toBe(200);
      // Of a repository that has its root now an upload is not even read.
      expect((await dev.publish(pinned, HUGE)).status).toBe(401);
      expect((await dev.publish(other, HUGE)).status).toBe(413);
    });

    it('what was read with a login is for no shared cache', async () => {
      const ci = clientOf(await start({ access: ACCESS }), as('ci'));
      await published(ci);
      const current = await ci.file(GUN, 'root.json');
      expect(current.headers['cache-control']).toBe('private, max-age=300, must-revalidate');
      const kept = await ci.file(GUN, '1.root.json');
      expect(kept.headers['cache-control']).toBe('private, max-age=2592000');
    });

    it('the API lists repositories with their roots to who may pull them, and an administrator resets a root', async () => {
      const gate = await start({ access: ACCESS });
      const publisher = await published(clientOf(gate, as('ci')));
      const api = async (name: string, target: string, body?: object): Promise<Called> =>
        gate.call(HOST, body === undefined ? 'GET' : 'POST', `/api/v1/${target}`, {
          headers: { ...as(name), 'content-type': 'application/json' },
          ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        });
      const list = async (name: string, query = ''): Promise<unknown> =>
        JSON.parse((await api(name, `repositories${query}`)).text) as unknown;
      const held = {
        repository: GUN,
        root: {
          version: 1,
          keys: [publisher.hands.root.keyid],
          certificateExpires: expect.stringMatching(/^20\d\d-/),
        },
        versions: { root: 1, snapshot: 1, targets: 1, timestamp: 1 },
      };
      expect(await list('dev')).toEqual({ repositories: [held], next: null });
      expect(await list('dev', `?after=${GUN}`)).toEqual({ repositories: [], next: null });
      expect(await list('nobody')).toEqual({ repositories: [], next: null });
      for (const query of ['?limit=0', '?limit=x', '?after=../x', '?page=2'])
        expect((await api('dev', `repositories${query}`)).status).toBe(400);
      const reset = { repository: GUN, reason: 'the key was lost' };
      expect((await api('ci', 'roots/reset', reset)).status).toBe(403);
      for (const wrong of [
        { repository: GUN },
        { repository: GUN, reason: ' ' },
        { repository: 'evil.example.com/x', reason: 'x' },
        { repository: `${ALIAS}/team/app`, reason: 'x' },
        { ...reset, force: true },
      ]) {
        expect((await api('boss', 'roots/reset', wrong)).status).toBe(400);
      }
      expect((await api('boss', 'roots/reset', reset)).status).toBe(200);
      const history = await api('boss', 'history?type=trust-reset');
      expect(history.text).toContain('the key was lost');
    });
  });

  it('its health, its counts and the ends of root certificates are told to whoever watches', async () => {
    const gate = await start();
    const http = clientOf(gate);
    await published(http);
    await http.file(GUN, 'root.json');
    const health = await gate.call('any.example.com', 'GET', '/_notary_server/health');
    expect([health.status, health.text]).toEqual([200, '{}']);
    const { text } = await gate.call(HOST, 'GET', '/metrics');
    expect(text).toContain('countersign_notary_requests_total{operation="current",status="200"} 1');
    expect(text).toContain('countersign_notary_requests_total{operation="publish",status="200"} 1');
    expect(text).toMatch(/^countersign_root_certificate_expiry_seconds 2\d{9}$/m);
    expect(text).toContain('countersign_root_certificates_ending{within="365d"} 0');
    expect(text).not.toContain('team/app');
  });

  describe('where upstream judges', () => {
    it('T-57: a login that upstream lets in reads and publishes, a token is refused, nobody gets past', async () => {
      let challenge = 'Basic realm="behind"';
      const wire = await startWireServer((request, response) => {
        request.resume();
        if (request.headers.authorization !== as('ci').authorization) {
          response.writeHead(401, { 'www-authenticate': challenge }).end();
        } else if (request.method === 'POST') {
          response.writeHead(202, { location: '/v2/team/app/blobs/uploads/1' }).end();
        } else {
          response.writeHead(200, { 'content-type': 'application/json' }).end('{"tags":[]}');
        }
      });
      try {
        const gate = await start({ registries: `  - { host: ${HOST}, upstream: "${wire.url}" }` });
        await published(clientOf(gate, as('ci')));
        expect((await clientOf(gate, as('ci')).file(GUN, 'root.json')).status).toBe(200);
        const token = await clientOf(gate, { authorization: 'Bearer x' }).file(GUN, 'root.json');
        expect([token.status, token.code]).toEqual([401, 'UNAUTHORIZED']);
        expect(token.detail).toMatch(/tokens/);
        for (const headers of [{}, as('dev')]) {
          const http = clientOf(gate, headers);
          const refused = await http.file(GUN, 'root.json');
          expect(refused.status).toBe(401);
          expect(refused.headers['www-authenticate']).toBe('Basic realm="behind"');
          expect((await http.file(GUN, 'timestamp.key')).status).toBe(401);
          expect((await http.call('DELETE', trustPath(GUN))).status).toBe(401);
        }
        challenge = 'Bearer realm="https://auth.example.com/token",service="x"';
        const tokens = await clientOf(gate).file(GUN, 'root.json');
        expect([tokens.status, tokens.code]).toEqual([401, 'UNAUTHORIZED']);
        expect(tokens.headers).not.toHaveProperty('www-authenticate');
        await wire.stop();
        expect((await clientOf(gate, as('dev')).file(GUN, 'root.json')).status).toBe(503);
      } finally {
        await wire.stop();
      }
    });
  });
});
