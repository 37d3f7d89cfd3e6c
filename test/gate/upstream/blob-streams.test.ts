import { once } from 'node:events';
import type { Server, Socket } from 'node:net';
import { createServer } from 'node:net';
import { Writable } from 'node:stream';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { BlobStreams } from '../../../src/gate/upstream/blob-streams.ts';
import { parseResponseHead, requestHead } from '../../../src/gate/upstream/response-head.ts';
import { loopbackPort } from '../../support/loopback-port.ts';

const OK = 'HTTP/1.1 200 OK';
const head = (length: number, ...more: readonly string[]): string =>
  [OK, `Content-Length: ${length}`, ...more, '', ''].join('\r\n');

describe('the head of a blob’s answer', () => {
  it('is taken with one length, and its fields by name', () => {
    expect(parseResponseHead(`${OK}\r\nContent-Length: 12\r\nETag:  "a: b" `)).toEqual({
      statusCode: 200,
      headers: { 'content-length': '12', etag: '"a: b"' },
      length: 12,
    });
    expect(parseResponseHead('HTTP/1.1 206 \r\ncontent-length: 0')?.statusCode).toBe(206);
  });

  it.each([
    ['no length', OK],
    ['two lengths', `${OK}\r\ncontent-length: 1\r\nContent-Length: 2`],
    ['the same length twice', `${OK}\r\ncontent-length: 1\r\ncontent-length: 1`],
    ['a list of lengths', `${OK}\r\ncontent-length: 1, 1`],
    ['a signed length', `${OK}\r\ncontent-length: +1`],
    ['a length in hex', `${OK}\r\ncontent-length: 0x10`],
    ['a length beyond all', `${OK}\r\ncontent-length: 9999999999999999`],
    ['a transfer coding', `${OK}\r\ncontent-length: 1\r\ntransfer-encoding: chunked`],
    ['a folded line', `${OK}\r\ncontent-length: 1\r\n folded: 2`],
    ['a space before the colon', `${OK}\r\ncontent-length : 1`],
    ['a bare line feed', `${OK}\r\ncontent-length: 1\nx: y`],
    ['a bare carriage return', `${OK}\r\ncontent-length: 1\rx`],
    ['a null byte', `${OK}\r\ncontent-length: 1\r\nx: \0`],
    ['a redirect', 'HTTP/1.1 307 Temporary Redirect\r\ncontent-length: 1'],
    ['no content', 'HTTP/1.1 204 No Content\r\ncontent-length: 0'],
    ['an interim answer', 'HTTP/1.1 100 Continue'],
    ['HTTP/1.0', 'HTTP/1.0 200 OK\r\ncontent-length: 1'],
    ['another protocol', 'ICY 200 OK\r\ncontent-length: 1'],
    ['a field of all objects', `${OK}\r\ncontent-length: 1\r\n__proto__: x\r\n__proto__: y`],
  ])('is not taken with %s', (_, text) => {
    expect(parseResponseHead(text)).toBeNull();
  });

  it('is refused or means one thing, whatever it is made of', () => {
    const piece = fc.constantFrom(
      'HTTP/1.1 200 OK',
      'content-length: 5',
      'Content-Length:6',
      'transfer-encoding: chunked',
      '\r\n',
      '\n',
      '\r',
      ' ',
      ':',
      'x: y',
      '5',
      ',',
      '\0',
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
        const text = pieces.join('');
        const read = parseResponseHead(text);
        if (read === null) return;
        expect(text.match(/^content-length:/gim)).toHaveLength(1);
        expect(text).not.toMatch(/^transfer-encoding:/im);
        expect(text.replaceAll('\r\n', '')).not.toMatch(/[\r\n\0]/);
      }),
      { numRuns: 20_000 },
    );
  });

  it('of a request is written only from what cannot end a line', () => {
    expect(requestHead('/v2/a', { host: 'h' })).toBe('GET /v2/a HTTP/1.1\r\nhost: h\r\n\r\n');
    for (const bad of ['x\r\ny: z', 'x\ny', 'x\0'])
      expect(requestHead('/v2/a', { range: bad })).toBeNull();
    for (const path of ['/v2/a b', '/v2/a\r\nx', 'v2', ''])
      expect(requestHead(path, {})).toBeNull();
  });
});

describe('a blob on its way', () => {
  const open: { readonly server: Server; readonly streams: BlobStreams }[] = [];
  afterEach(async () => {
    for (const { server, streams } of open.splice(0)) {
      streams.close();
      server.close();
      await once(server, 'close');
    }
  });

  /** A server that answers each request on a connection with what `answer` writes. */
  async function site(
    answer: (socket: Socket, request: string, nth: number) => void,
  ): Promise<{ streams: BlobStreams; connections: () => number; requests: readonly string[] }> {
    let connections = 0;
    const requests: string[] = [];
    const server = createServer((socket) => {
      connections++;
      socket.on('error', () => undefined);
      socket.on('data', (data) => {
        requests.push(data.toString('latin1'));
        answer(socket, data.toString('latin1'), requests.length);
      });
    });
    const port = await loopbackPort(server);
    const streams = new BlobStreams({ origin: `http://127.0.0.1:${port}` });
    open.push({ server, streams });
    return { streams, connections: () => connections, requests };
  }

  /** Takes what comes, `ms` a chunk, and keeps a copy of it. */
  function sink(ms = 0): { readonly to: Writable; readonly bytes: () => Buffer } {
    const chunks: Buffer[] = [];
    const to = new Writable({
      highWaterMark: 1,
      write(chunk: Buffer, _, done) {
        // What is not taken yet must not change under the reader.
        setTimeout(() => {
          chunks.push(Buffer.from(chunk));
          done();
        }, ms);
      },
    });
    to.on('error', () => undefined);
    return { to, bytes: () => Buffer.concat(chunks) };
  }

  const never = (): AbortSignal => new AbortController().signal;
  const body = (size: number): Buffer =>
    Buffer.from(
      Uint32Array.from({ length: Math.ceil(size / 4) }, (_, n) => n * 2_654_435_761).buffer,
    ).subarray(0, size);

  it.each([0, 1, 1000, 300_000, 5_000_000])(
    'comes whole, %i bytes of it, to a slow reader too',
    async (size) => {
      const { streams } = await site((socket) => {
        socket.write(head(size));
        socket.write(body(size));
      });
      for (const ms of [0, 3]) {
        const stream = await streams.get('/v2/a/blobs/x', {}, never());
        const { to, bytes } = sink(ms);
        await stream?.pump(to);
        expect(stream?.head.length).toBe(size);
        expect(bytes().equals(body(size))).toBe(true);
        expect([to.writableEnded, to.errored]).toEqual([true, null]);
      }
    },
  );

  it('uses a connection again, unless the registry closes it', async () => {
    let more: readonly string[] = [];
    const { streams, connections, requests } = await site((socket) => {
      socket.write(Buffer.concat([Buffer.from(head(3, ...more)), Buffer.from('abc')]));
      if (more.length > 0) socket.end();
    });
    const get = async (): Promise<string> => {
      const { to, bytes } = sink();
      await (await streams.get('/v2/a/blobs/x', { range: 'bytes=0-2' }, never()))?.pump(to);
      return bytes().toString();
    };
    expect([await get(), await get(), await get()]).toEqual(['abc', 'abc', 'abc']);
    expect(connections()).toBe(1);
    expect(requests[2]).toMatch(
      /^GET \/v2\/a\/blobs\/x HTTP\/1\.1\r\nhost: 127[^]*range: bytes=0-2\r\n\r\n$/,
    );
    more = ['Connection: close'];
    expect([await get(), await get()]).toEqual(['abc', 'abc']);
    expect(connections()).toBe(2);
  });

  it('that is cut short destroys what it goes to, and so does one that is too long', async () => {
    const { streams } = await site((socket, _, nth) => {
      socket.write(head(1_000_000));
      if (nth === 1) socket.end(body(999_999));
      else if (nth === 2) socket.write(body(1_000_001));
      else socket.write(body(500_000), () => socket.resetAndDestroy());
    });
    for (let n = 0; n < 3; n++) {
      const stream = await streams.get('/v2/a/blobs/x', {}, never());
      const { to } = sink();
      await stream?.pump(to);
      expect([stream === null, to.destroyed, to.writableEnded]).toEqual([false, true, false]);
    }
  });

  it('of no bytes that some come with destroys what it goes to, and keeps nobody waiting', async () => {
    const { streams } = await site((socket) => socket.write(`${head(0)}x`));
    const stream = await streams.get('/v2/a/blobs/x', {}, never());
    const { to } = sink();
    await stream?.pump(to);
    expect([stream?.head.length, to.destroyed, to.writableEnded]).toEqual([0, true, false]);
  });

  it('takes nothing for an answer that nobody asked for', async () => {
    const { streams, connections } = await site((socket, _, nth) => {
      socket.write(Buffer.concat([Buffer.from(head(3)), Buffer.from('abc')]));
      // A second answer is put in for whoever asks next.
      if (nth === 1) setTimeout(() => socket.write(`${head(4)}evil`), 20);
    });
    const get = async (): Promise<string> => {
      const { to, bytes } = sink();
      await (await streams.get('/v2/a/blobs/x', {}, never()))?.pump(to);
      return bytes().toString();
    };
    expect(await get()).toBe('abc');
    await expect.poll(async () => [await get(), connections() > 1]).toEqual(['abc', true]);
  });

  it('is left to others where its answer is not simple, where nobody answers, and under TLS', async () => {
    const { streams } = await site((socket, _, nth) => {
      if (nth === 1) socket.write('HTTP/1.1 307 Go\r\nlocation: /x\r\ncontent-length: 0\r\n\r\n');
      else if (nth === 2) socket.write(`${OK}\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n`);
      else if (nth === 3) socket.write(`${OK}\r\nx: ${'y'.repeat(20_000)}`);
      else socket.destroy();
    });
    for (let n = 0; n < 4; n++) expect(await streams.get('/v2/a/blobs/x', {}, never())).toBeNull();
    const nobody = new BlobStreams({ origin: 'http://127.0.0.1:1' });
    expect(await nobody.get('/v2/a/blobs/x', {}, never())).toBeNull();
    const tls = new BlobStreams({ origin: 'https://127.0.0.1:1' });
    expect(await tls.get('/v2/a/blobs/x', {}, never())).toBeNull();
  });

  it('is not asked for again and again where answers are never simple', async () => {
    const { streams, requests } = await site((socket) =>
      socket.write('HTTP/1.1 307 Go\r\nlocation: /x\r\ncontent-length: 0\r\n\r\n'),
    );
    for (let n = 0; n < 144; n++) await streams.get('/v2/a/blobs/x', {}, never());
    expect(requests.length).toBe(18);
  });

  it('ends with its client, before and after its head', async () => {
    const { streams } = await site((socket, request) => {
      if (request.includes('/answered')) socket.write(head(1_000_000) + 'x');
    });
    const silent = new AbortController();
    const waiting = streams.get('/v2/a/blobs/x', {}, silent.signal);
    silent.abort();
    expect(await waiting).toBeNull();
    const gone = new AbortController();
    const stream = await streams.get('/v2/a/blobs/answered', {}, gone.signal);
    const { to } = sink();
    const pumped = stream?.pump(to);
    gone.abort();
    await pumped;
    expect(to.destroyed).toBe(true);
    expect(await streams.get('/v2/a/blobs/x', {}, gone.signal)).toBeNull();
  });
});
