import { createHash } from 'node:crypto';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { request } from 'node:http';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { as, attackedGates } from '../support/attacked.ts';
import { pushBlob } from '../support/image.ts';
import { startWireServer } from '../support/wire-server.ts';

const MIB = 1024 * 1024;
const DIGEST = `sha256:${'a'.repeat(64)}`;
const BLOB = `/v2/team/app/blobs/${DIGEST}`;

/** Starts a request and gives its answer as soon as the headers are there. */
async function open(url: string, target: string): Promise<IncomingMessage> {
  const sent = request(`${url}${target}`, { agent: false });
  sent.end();
  const [answer] = (await once(sent, 'response')) as [IncomingMessage];
  return answer;
}

async function until(what: string, true_: () => boolean | Promise<boolean>): Promise<void> {
  const end = performance.now() + 20_000;
  while (!(await true_())) {
    if (performance.now() > end) throw new Error(`${what} did not come about`);
    await sleep(20);
  }
}

describe('what streams through the gate', () => {
  const attacked = attackedGates();

  it('waits for a slow reader instead of filling memory (200 MB)', async () => {
    const gate = await attacked();
    const total = 200 * MIB;
    let sent = 0;
    gate.fault((_request, response) => {
      response.writeHead(200, { 'content-length': total });
      const chunk = Buffer.alloc(MIB, 7);
      const more = (): void => {
        while (sent < total) {
          sent += MIB;
          if (!response.write(chunk)) return void response.once('drain', more);
        }
        response.end();
      };
      more();
      return true;
    });
    const answer = await open(gate.url, BLOB);
    answer.pause();
    let before = -1;
    // Nobody reads: what upstream could send is what fits into buffers on the way.
    while (before !== sent) {
      before = sent;
      await sleep(300);
    }
    expect(sent).toBeLessThan(40 * MIB);
    let received = 0;
    answer.on('data', (part: Buffer) => (received += part.length));
    answer.resume();
    await once(answer, 'end');
    expect(received).toBe(total);
  });

  it('reads no more of an upload than upstream takes', async () => {
    const gate = await attacked();
    let release: (() => void) | undefined;
    const hash = createHash('sha256');
    gate.fault((incoming, response) => {
      // Upstream that does not read, for a while.
      release = () => {
        incoming.on('data', (part: Buffer) => hash.update(part));
        incoming.on('end', () => {
          response.writeHead(202, { location: '/v2/team/app/blobs/uploads/1', range: '0-1' });
          response.end();
        });
      };
      return true;
    });
    const sent = request(`${gate.url}/v2/team/app/blobs/uploads/1`, {
      method: 'PATCH',
      agent: false,
      headers: { 'content-type': 'application/octet-stream' },
    });
    const chunk = Buffer.alloc(MIB, 9);
    const expected = createHash('sha256');
    let written = 0;
    const write = async (limit: number): Promise<void> => {
      while (written < limit) {
        written++;
        expected.update(chunk);
        if (!sent.write(chunk)) {
          const full = await Promise.race([once(sent, 'drain'), sleep(700, 'full')]);
          if (full === 'full') return;
        }
      }
    };
    await write(100);
    expect(written).toBeLessThan(40);
    release?.();
    await write(100);
    sent.end();
    const [answer] = (await once(sent, 'response')) as [IncomingMessage];
    expect(answer.statusCode).toBe(202);
    expect(hash.digest('hex')).toBe(expected.digest('hex'));
  });

  it.each([
    ['with a length', { 'content-length': 10 * MIB }],
    ['in chunks', {}],
  ])('is cut, never ended, where upstream dies in the middle of a body %s', async (_, headers) => {
    const gate = await attacked();
    gate.fault((_request, response) => {
      response.writeHead(200, headers);
      response.write(Buffer.alloc(MIB), () => response.destroy());
      return true;
    });
    const answer = await open(gate.url, BLOB);
    answer.resume();
    const outcome = await Promise.race([
      once(answer, 'end').then(() => 'ended'),
      once(answer, 'error').then(() => 'cut'),
    ]).catch(() => 'cut');
    expect(outcome).toBe('cut');
    expect(answer.complete).toBe(false);
    await until('the log line', () => gate.logs().includes('"aborted":true'));
  });

  it('T-70: keeps nobody else from beginning, however many uploads never end', async () => {
    const gate = await attacked();
    gate.fault((incoming, response) => {
      incoming.resume();
      if (incoming.method !== 'PATCH') response.end('{"name":"team/app","tags":[]}');
      return true;
    });
    const uploads = Array.from({ length: 140 }, () => {
      const target = `${gate.url}/v2/team/app/blobs/uploads/1`;
      const sent = request(target, { method: 'PATCH', agent: false });
      sent.on('error', () => undefined).write('the beginning');
      return sent;
    });
    let arrived = 0;
    await until('as many uploads as there is room for', () => {
      arrived += gate.asked().filter((line) => line.startsWith('PATCH')).length;
      return arrived >= 128;
    });
    for (const [method, target] of [
      ['GET', '/v2/'],
      ['GET', '/v2/team/app/tags/list'],
      ['HEAD', BLOB],
      ['POST', '/v2/team/app/blobs/uploads/'],
    ] as const)
      expect([target, (await gate.call(method, target)).status]).toEqual([target, 200]);
    for (const sent of uploads) sent.destroy();
  });

  it('ends upstream where the client goes away, in a download and in an upload', async () => {
    const gate = await attacked();
    let gone = 0;
    gate.fault((incoming, response) => {
      response.once('close', () => gone++);
      if (incoming.method === 'GET') {
        response.writeHead(200, { 'content-length': 100 * MIB });
        response.write(Buffer.alloc(MIB));
      } else incoming.resume();
      return true;
    });
    (await open(gate.url, BLOB)).destroy();
    await until('the end of the download upstream', () => gone === 1);
    const upload = request(`${gate.url}/v2/team/app/blobs/uploads/1`, {
      method: 'PATCH',
      agent: false,
      headers: { 'content-length': String(100 * MIB) },
    });
    upload.on('error', () => undefined);
    upload.write(Buffer.alloc(MIB));
    await until('the upload upstream', () => gate.asked().some((line) => line.startsWith('PATCH')));
    upload.destroy();
    await until('the end of the upload upstream', () => gone === 2);
    gate.fault(null);
    expect((await gate.call('GET', '/v2/')).status).toBe(200);
  });

  it('T-72: rewrites the Location of an upload on the registry behind, and refuses any other', async () => {
    const gate = await attacked();
    const { host } = new URL(gate.url);
    let location = '';
    gate.fault((incoming, response) => {
      const behind = incoming.headers.host ?? '';
      response.writeHead(202, { location: location.replace('UPSTREAM', behind) });
      response.end();
      return true;
    });
    for (const [given, expected] of [
      ['/v2/team/app/blobs/uploads/1?_state=a%2Fb', '/v2/team/app/blobs/uploads/1?_state=a%2Fb'],
      [
        'http://UPSTREAM/v2/team/app/blobs/uploads/1?_state=a%2F',
        `http://${host}/v2/team/app/blobs/uploads/1?_state=a%2F`,
      ],
      ['HTTP://UPSTREAM/v2/x', `http://${host}/v2/x`],
      [`http://${host}/v2/x`, `http://${host}/v2/x`],
      ['https://storage.example.com/b?sig=x%2By', null],
      ['//storage.example.com/b', null],
      // No port, so no address: nothing that we would call upstream's.
      ['http://UPSTREAM.evil.example.com/x', null],
      ['http://UPSTREAM@evil.example.com/x', null],
      ['http://[::1/x', null],
      ['http://a b/x', null],
      ['http:evil.example.com/x', null],
      ['/\\evil.example.com/x', null],
      ['x', 'x'],
    ] as const) {
      location = given;
      const answer = await gate.call('POST', '/v2/team/app/blobs/uploads/');
      const { location: sent } = answer.headers;
      expect([given, answer.status, sent]).toEqual(
        expected === null ? [given, 503, undefined] : [given, 202, expected],
      );
    }
    expect(gate.logs()).toContain('name the origin as storage');
  });

  it.each([
    ['in two Locations', 202, ['http://evil.example.com/x', 'http://evil.example.com/y']],
    ['by a redirect', 307, 'http://evil.example.com/x'],
    ['by a permanent redirect', 308, 'http://evil.example.com/x'],
  ])('T-72: lets no upload be sent to another host %s', async (_, status, location) => {
    const gate = await attacked();
    gate.fault((_request, response) => {
      response.setHeader('location', location);
      response.writeHead(status).end();
      return true;
    });
    for (const [method, target] of [
      ['POST', '/v2/team/app/blobs/uploads/'],
      ['PATCH', '/v2/team/app/blobs/uploads/1'],
      ['PUT', `/v2/team/app/blobs/uploads/1?digest=${DIGEST}`],
    ] as const) {
      const answer = await gate.call(method, target);
      expect([method, answer.status, answer.headers.location]).toEqual([method, 503, undefined]);
    }
  });

  it.each([
    ['a blob', BLOB],
    ['a list', '/v2/team/app/tags/list'],
  ])(
    'T-71: keeps the session that upstream opens for the gate to itself, with %s',
    async (_, target) => {
      const gate = await attacked({
        access: '  - { repositories: ["**"], pull: ["*"] }',
        registry: 'credentials: { username: gate, passwordFile: secret }',
      });
      gate.fault((_request, response) => {
        response.writeHead(200, {
          'content-length': 2,
          'set-cookie': ['sid=session-of-the-gate; Path=/', 'csrf=1'],
          'strict-transport-security': 'max-age=31536000',
          'alt-svc': 'h3=":443"',
          'authentication-info': 'nextnonce="1"',
          'x-kept': 'yes',
        });
        response.end('{}');
        return true;
      });
      const answer = await gate.call('GET', target, { headers: as('ci') });
      expect([answer.status, answer.headers['x-kept']]).toEqual([200, 'yes']);
      expect(JSON.stringify(answer.headers)).not.toMatch(
        /sid=|csrf|max-age=31536000|h3=|nextnonce/,
      );
    },
  );

  it('T-72: hands out the Location of a blob in its storage as it is, and none of a stored one elsewhere', async () => {
    const gate = await attacked();
    const location = 'https://storage.example.com/b?sig=x%2By';
    let status = 307;
    gate.fault((_incoming, response) => {
      response.writeHead(status, { location }).end();
      return true;
    });
    const read = await gate.call('GET', BLOB);
    expect([read.status, read.headers.location]).toEqual([307, location]);
    status = 201;
    const stored = await gate.call('PUT', `/v2/team/app/blobs/uploads/1?digest=${DIGEST}`);
    expect([stored.status, stored.headers.location]).toEqual([201, undefined]);
  });

  it('sends clients for the next page of a list to the gate, and not round it', async () => {
    const gate = await attacked();
    let link: readonly string[] = [];
    gate.fault((incoming, response) => {
      const behind = incoming.headers.host ?? '';
      response.writeHead(200, { link: link.map((one) => one.replace('UPSTREAM', behind)) });
      response.end('{"name":"team/app","tags":[]}');
      return true;
    });
    const next = '/v2/team/app/tags/list?n=1&last=a%2Fb';
    for (const [given, expected] of [
      [`<http://UPSTREAM${next}>; rel="next"`, `<${gate.url}${next}>; rel="next"`],
      [`<${next}>; rel="next"`, `<${next}>; rel="next"`],
      // Whatever name upstream has for itself, there is one place where its pages are asked for.
      [`<https://other.example.com${next}>; rel="next"`, `<${gate.url}${next}>; rel="next"`],
      [`<//other.example.com${next}>; rel="next"`, `<${gate.url}${next}>; rel="next"`],
      [`<https:other.example.com${next}>; rel="next"`, `<${gate.url}${next}>; rel="next"`],
      [`<http://UPSTREAM/${'x'.repeat(5000)}>`, `<${gate.url}/${'x'.repeat(5000)}>`],
      [['<http://UPSTREAM/a>', '<http://UPSTREAM/b>'], `<${gate.url}/a>, <${gate.url}/b>`],
      [`<<<${'<'.repeat(2000)}`, `<<<${'<'.repeat(2000)}`],
    ] as const) {
      link = [given].flat();
      const { headers } = await gate.call('GET', '/v2/team/app/tags/list?n=1');
      expect(headers['link']).toBe(expected);
    }
  });

  it('T-72: follows no redirect itself and sends nothing of the gate there', async () => {
    const seen: string[] = [];
    const storage = await startWireServer((incoming, response) => {
      seen.push(JSON.stringify(incoming.headers));
      response.end('x');
    });
    const gate = await attacked();
    gate.fault((_request, response) => {
      response.writeHead(307, { location: `${storage.url}/blob?sig=1` });
      response.end();
      return true;
    });
    const blob = await gate.call('GET', BLOB, { headers: as('ci') });
    expect([blob.status, blob.headers.location]).toEqual([307, `${storage.url}/blob?sig=1`]);
    // A manifest that comes from elsewhere is none of this registry.
    expect((await gate.call('GET', '/v2/team/app/manifests/1', { headers: as('ci') })).status).toBe(
      503,
    );
    expect(seen).toEqual([]);
    await storage.stop();
  });

  it('keeps the headers of a connection to that connection', async () => {
    const gate = await attacked();
    let got: IncomingMessage['headers'] = {};
    gate.fault((incoming, response) => {
      got = incoming.headers;
      response.writeHead(200, {
        'content-length': 1,
        'keep-alive': 'timeout=1',
        'proxy-authenticate': 'Basic realm="x"',
        upgrade: 'h2c',
        'docker-content-digest': DIGEST,
        'x-kept': 'yes',
      });
      response.end('x');
      return true;
    });
    const answer = await gate.call('GET', BLOB, {
      headers: {
        te: 'trailers',
        'proxy-authorization': 'Basic eDp5',
        'x-forwarded-for': '127.0.0.1',
        forwarded: 'for=127.0.0.1',
        cookie: 'session=secret',
        range: 'bytes=0-0',
      },
    });
    expect(answer.headers).toMatchObject({ 'docker-content-digest': DIGEST, 'x-kept': 'yes' });
    for (const name of ['proxy-authenticate', 'upgrade'])
      expect(answer.headers[name]).toBeUndefined();
    expect(answer.headers['keep-alive']).not.toBe('timeout=1');
    for (const name of ['te', 'proxy-authorization', 'x-forwarded-for', 'forwarded', 'cookie'])
      expect(got[name]).toBeUndefined();
    expect(got['range']).toBe('bytes=0-0');
  });

  it('meets an upstream that is not there, resets, talks nonsense or sends bad headers with 502 or 503', async () => {
    const gate = await attacked();
    const digest = await pushBlob(gate.url, 'team/app', Buffer.from('a blob'));
    for (const answer of [
      '',
      'nonsense\r\n\r\n',
      'HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n',
      'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab',
      'HTTP/1.1 200 OK\r\nX-Bad: a\x01b\r\nContent-Length: 1\r\n\r\na',
      'HTTP/1.1 999 Odd\r\nContent-Length: 1\r\n\r\na',
      `HTTP/1.1 200 OK\r\nX-Big: ${'x'.repeat(100_000)}\r\n\r\n`,
    ]) {
      gate.fault((incoming) => {
        incoming.socket.end(answer, 'latin1');
        return true;
      });
      const { status } = await gate.call('GET', `/v2/team/app/blobs/${digest}`);
      expect([answer.slice(0, 60), status >= 500]).toEqual([answer.slice(0, 60), true]);
    }
    gate.fault(null);
    expect((await gate.call('GET', `/v2/team/app/blobs/${digest}`)).text).toBe('a blob');
  });

  it('lets a download that runs finish when the service stops, and takes nothing new', async () => {
    const gate = await attacked();
    let finish: (() => void) | undefined;
    gate.fault((_request, response) => {
      response.writeHead(200, { 'content-length': 2 * MIB });
      response.write(Buffer.alloc(MIB));
      finish = () => response.end(Buffer.alloc(MIB));
      return true;
    });
    const answer = await open(gate.url, BLOB);
    let received = 0;
    answer.on('data', (part: Buffer) => (received += part.length));
    await until('the first half', () => received === MIB);
    const stopped = gate.stop();
    const port = Number(new URL(gate.url).port);
    await until('the closed port', async () => {
      const probe = connect(port, '127.0.0.1');
      const refused = await once(probe, 'connect').then(
        () => false,
        () => true,
      );
      probe.destroy();
      return refused;
    });
    finish?.();
    await once(answer, 'end');
    expect(received).toBe(2 * MIB);
    await stopped;
    await expect(gate.call('GET', '/healthz')).rejects.toThrow(/ECONNREFUSED/);
    await gate.restart();
    expect((await gate.call('GET', '/healthz')).status).toBe(200);
  });
});
