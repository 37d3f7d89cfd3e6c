import { generateKeyPairSync } from 'node:crypto';
import type { IncomingMessage, RequestListener } from 'node:http';
import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { connect } from 'node:net';
import { connect as tlsConnect } from 'node:tls';
import fastify from 'fastify';
import { afterEach, describe, expect, it } from 'vitest';
import { makeCertificate } from '../../src/http/certificate.ts';
import type { Listener, ListenerOptions, TlsMaterial } from '../../src/http/listener.ts';
import { createListener } from '../../src/http/listener.ts';

const open: Listener[] = [];
afterEach(async () => {
  for (const listener of open.splice(0)) await listener.close(0);
});

function selfSigned(name = 'localhost'): TlsMaterial {
  const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const cert = makeCertificate({
    subject: name,
    publicKey: pair.publicKey,
    issuer: { name, key: pair.privateKey },
    notBefore: new Date(Date.now() - 60_000),
    notAfter: new Date(Date.now() + 3_600_000),
    use: 'server',
    names: ['localhost', '127.0.0.1'],
  });
  return { cert, key: pair.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString() };
}

interface Running {
  readonly listener: Listener;
  readonly port: number;
  readonly urls: readonly string[];
}

async function start(
  handler: RequestListener,
  options: Partial<ListenerOptions> = {},
): Promise<Running> {
  const listener = createListener({
    host: '127.0.0.1',
    port: 0,
    tls: selfSigned(),
    bothOnLoopback: true,
    ...options,
  });
  open.push(listener);
  listener.server.on('request', handler);
  return { listener, ...(await listener.listen()) };
}

interface Answer {
  readonly status: number | undefined;
  readonly body: string;
}

function ask(
  scheme: 'http' | 'https',
  port: number,
  options: { path?: string; method?: string; ca?: string; agent?: false } = {},
  body?: Uint8Array,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = scheme === 'https' ? httpsRequest : httpRequest;
    const asked = request(
      {
        host: '127.0.0.1',
        port,
        agent: false,
        rejectUnauthorized: options.ca !== undefined,
        ...options,
      },
      (response: IncomingMessage) => {
        let text = '';
        response.setEncoding('utf8').on('data', (part: string) => (text += part));
        response.on('end', () => resolve({ status: response.statusCode, body: text }));
        response.on('error', reject);
      },
    );
    asked.on('error', reject);
    asked.end(body);
  });
}

/** What a raw connection gets back until it is closed. */
function talk(port: number, bytes: Uint8Array | string): Promise<string> {
  return new Promise((resolve) => {
    let heard = '';
    const socket = connect(port, '127.0.0.1', () => socket.write(bytes));
    socket.setEncoding('latin1').on('data', (text: string) => (heard += text));
    socket.on('error', () => undefined);
    socket.on('close', () => resolve(heard));
  });
}

const scheme: RequestListener = (request, response) =>
  response.end(
    'encrypted' in request.socket && request.socket.encrypted === true ? 'https' : 'http',
  );

describe('listener', () => {
  it('serves one fastify app over TLS and plain HTTP on one loopback port', async () => {
    const listener = createListener({
      host: '127.0.0.1',
      port: 0,
      tls: selfSigned(),
      bothOnLoopback: true,
    });
    open.push(listener);
    const app = fastify({ serverFactory: (handler) => listener.server.on('request', handler) });
    app.addContentTypeParser(
      '*',
      { parseAs: 'buffer', bodyLimit: 2 ** 25 },
      (_request, body, done) => done(null, body),
    );
    app.post('/echo', async (request) => ({
      protocol: request.protocol,
      bytes: (request.body as Buffer).length,
    }));
    await app.ready();
    const { port, urls } = await listener.listen();
    expect(urls).toEqual([`https://127.0.0.1:${port}`, `http://127.0.0.1:${port}`]);
    const body = Buffer.alloc(2 ** 24, 7);
    const headers = { method: 'POST', path: '/echo' };
    // One after the other and at once, so that no first byte gets lost in either order.
    const answers = await Promise.all(
      (['https', 'http', 'https', 'http'] as const).map((one) => ask(one, port, headers, body)),
    );
    expect(answers.map((one) => JSON.parse(one.body) as unknown)).toEqual([
      { protocol: 'https', bytes: body.length },
      { protocol: 'http', bytes: body.length },
      { protocol: 'https', bytes: body.length },
      { protocol: 'http', bytes: body.length },
    ]);
    await app.close();
  });

  it('serves several requests on one connection, also where the first arrives in pieces', async () => {
    const { port } = await start(scheme);
    const first = 'GET / HTTP/1.1\r\nHost: x\r\n\r\n';
    const heard = await new Promise<string>((resolve) => {
      let text = '';
      const socket = connect(port, '127.0.0.1', () => {
        socket.write(first.slice(0, 1));
        setTimeout(
          () =>
            socket.write(
              `${first.slice(1)}GET /2 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`,
            ),
          30,
        );
      });
      socket.setEncoding('utf8').on('data', (part: string) => (text += part));
      socket.on('close', () => resolve(text));
    });
    expect(heard.match(/HTTP\/1\.1 200 OK/g)).toHaveLength(2);
  });

  it('away from loopback, or where it is not asked for, tells a plain HTTP client that the port speaks HTTPS', async () => {
    for (const options of [{ host: '0.0.0.0' }, { bothOnLoopback: false }]) {
      const { port, urls } = await start(scheme, options);
      expect(urls).toHaveLength(1);
      expect(await ask('https', port)).toEqual({ status: 200, body: 'https' });
      expect(await ask('http', port)).toEqual({
        status: 400,
        body: 'This port speaks HTTPS only.\n',
      });
    }
  });

  it('without TLS speaks plain HTTP only', async () => {
    const { port, urls } = await start(scheme, { tls: null, host: '0.0.0.0' });
    expect(urls).toEqual([`http://0.0.0.0:${port}`]);
    expect(await ask('http', port)).toEqual({ status: 200, body: 'http' });
    await expect(ask('https', port)).rejects.toThrow(/SSL|wrong version|hang up|reset/i);
  });

  it('offers HTTP/1.1 alone and refuses TLS before 1.2', async () => {
    const { port } = await start(scheme);
    const meet = (options: object): Promise<string> =>
      new Promise((resolve) => {
        const socket = tlsConnect(
          { host: '127.0.0.1', port, rejectUnauthorized: false, ...options },
          () => {
            resolve(`${String(socket.getProtocol())} ${String(socket.alpnProtocol)}`);
            socket.destroy();
          },
        );
        socket.on('error', (error) => resolve(error.message));
      });
    expect(await meet({ ALPNProtocols: ['h2', 'http/1.1'] })).toBe('TLSv1.3 http/1.1');
    expect(await meet({ ALPNProtocols: ['h2'] })).toMatch(
      /no application protocol|reset|closed|disconnected/i,
    );
    expect(await meet({ maxVersion: 'TLSv1.2', minVersion: 'TLSv1.2' })).toMatch(/^TLSv1\.2/);
    expect(
      await meet({ maxVersion: 'TLSv1.1', minVersion: 'TLSv1', ciphers: 'DEFAULT@SECLEVEL=0' }),
    ).toMatch(/version|alert|disconnected/i);
  });

  it.each([
    ['nothing at all', Buffer.alloc(0)],
    ['half of a TLS handshake', Buffer.from([0x16, 0x03, 0x01, 0x00, 0x64, 0x01])],
  ])('cuts off a connection that says %s', async (_, bytes) => {
    const { port } = await start(scheme, { firstByteMs: 50 });
    expect(await talk(port, bytes)).toBe('');
  });

  it('T-70: cuts off a handshake that never stops dripping', async () => {
    const { port } = await start(scheme, { firstByteMs: 300 });
    const heard = await new Promise<string>((resolve) => {
      const socket = connect(port, '127.0.0.1', () =>
        socket.write(Buffer.from([0x16, 0x03, 0x01, 0x40, 0x00])),
      );
      const drip = setInterval(() => socket.write(Buffer.from([0x01])), 20);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        clearInterval(drip);
        resolve('closed');
      });
    });
    expect(heard).toBe('closed');
  });

  it('T-70: answers 408 to headers that never end', async () => {
    const { port } = await start(scheme, { headersMs: 100 });
    expect(await talk(port, 'GET / HTTP/1.1\r\nHo')).toMatch(/^HTTP\/1\.1 408 /);
  });

  it.each([
    [
      'headers over 16 KiB',
      `GET / HTTP/1.1\r\nHost: x\r\nX: ${'y'.repeat(20_000)}\r\n\r\n`,
      /^HTTP\/1\.1 431 /,
    ],
    ['no Host', 'GET / HTTP/1.1\r\n\r\n', /^HTTP\/1\.1 400 /],
    [
      'both a length and chunks',
      'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
      /^HTTP\/1\.1 400 /,
    ],
    [
      'two lengths',
      'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nabcd',
      /^HTTP\/1\.1 400 /,
    ],
    ['a bare line feed', 'GET / HTTP/1.1\nHost: x\n\n', /^HTTP\/1\.1 400 /],
    ['something else than HTTP', '\0\0\0\0\r\n\r\n', /^HTTP\/1\.1 400 /],
  ])('refuses a request with %s', async (_, bytes, answer) => {
    const { port } = await start((_request, response) => response.end('handled'));
    const heard = await talk(port, bytes);
    expect(heard).toMatch(answer);
    expect(heard).not.toContain('handled');
  });

  it('drops no header in silence', async () => {
    const { port } = await start((request, response) =>
      response.end(String(request.rawHeaders.length / 2)),
    );
    const many = Array.from({ length: 2500 }, (_, i) => `a:${i % 10}\r\n`).join('');
    const heard = await talk(port, `GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n${many}\r\n`);
    expect(heard).toMatch(/\r\n2502$/);
  });

  it('closes connections over its bound at once and serves the others', async () => {
    const { port } = await start(scheme, { connections: 2 });
    const held = [connect(port, '127.0.0.1'), connect(port, '127.0.0.1')];
    await Promise.all(held.map((one) => new Promise((resolve) => one.once('connect', resolve))));
    held[0]?.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    const answered = await new Promise((resolve) =>
      held[0]?.once('data', (data) => resolve(String(data))),
    );
    expect(answered).toMatch(/^HTTP\/1\.1 200 /);
    expect(await talk(port, 'GET / HTTP/1.1\r\nHost: x\r\n\r\n')).toBe('');
    for (const one of held) one.destroy();
  });

  it('shows a new certificate from the next connection on, and keeps the old one when the new does not fit', async () => {
    const [one, two] = [selfSigned(), selfSigned()];
    const { port, listener } = await start(scheme, { tls: one });
    expect(await ask('https', port, { ca: one.cert })).toMatchObject({ status: 200 });
    listener.setTls(two);
    expect(await ask('https', port, { ca: two.cert })).toMatchObject({ status: 200 });
    await expect(ask('https', port, { ca: one.cert })).rejects.toThrow(/certificate/);
    expect(() => listener.setTls({ cert: one.cert, key: two.key })).toThrow(/mismatch/);
    expect(await ask('https', port, { ca: two.cert })).toMatchObject({ status: 200 });
  });

  it.each(['http', 'https'] as const)(
    'lets %s requests that run finish when it closes, and takes no new ones',
    async (protocol) => {
      const begun = Promise.withResolvers<void>();
      const finish = Promise.withResolvers<void>();
      const { port, listener } = await start((_request, response) => {
        begun.resolve();
        void finish.promise.then(() => response.end('done'));
      });
      const answer = ask(protocol, port);
      await begun.promise;
      const closed = listener.close(30_000);
      await expect(ask('http', port)).rejects.toThrow('ECONNREFUSED');
      finish.resolve();
      expect(await answer).toEqual({ status: 200, body: 'done' });
      await closed;
    },
  );

  it('cuts off what has not finished within the grace', async () => {
    const begun = Promise.withResolvers<void>();
    const { port, listener } = await start(() => begun.resolve());
    const silent = talk(port, '');
    const answer = ask('https', port);
    const failed = answer.catch((error: Error) => error.message);
    await begun.promise;
    await listener.close(20);
    expect(await failed).toMatch(/hang up|reset/);
    expect(await silent).toBe('');
    await listener.close(20);
  });

  it('says what to do where the address is taken', async () => {
    const { port } = await start(scheme);
    const second = createListener({ host: '127.0.0.1', port, tls: null, bothOnLoopback: true });
    await expect(second.listen()).rejects.toThrow(
      /expected to listen on 127\.0\.0\.1:\d+, but .*EADDRINUSE.*; choose another address with --listen/,
    );
  });
});
