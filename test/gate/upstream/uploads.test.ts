import { createHash, randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import type { RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { PassThrough, Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { openUploads } from '../../../src/gate/upstream/uploads.ts';

describe('a body that streams to the registry', () => {
  const undo: (() => unknown)[] = [];
  afterEach(async () => {
    for (const one of undo.splice(0).reverse()) await one();
  });

  async function open(listener: RequestListener) {
    const server = createServer(listener);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    undo.push(() => {
      server.closeAllConnections();
      server.close();
    });
    const uploads = openUploads({
      origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    });
    if (uploads === null) throw new Error('expected a way to a registry over plain HTTP');
    undo.push(() => uploads.destroy());
    return uploads;
  }

  const pieces = Array.from({ length: 96 }, () => randomBytes(64 * 1024));
  const size = pieces.reduce((sum, one) => sum + one.length, 0);
  const hash = createHash('sha256');
  for (const one of pieces) hash.update(one);
  const whole = hash.digest('hex');
  /** Each piece in memory of its own, as Node reads a request's body. */
  const body = (): Readable => Readable.from(pieces.map((one) => Buffer.from(new Uint8Array(one))));

  it.each([
    ['of a known length', { 'content-length': String(size) }],
    ['in chunks', {}],
  ])(
    '%s comes whole to one that reads slowly, though its memory is given back',
    async (_, framing) => {
      const uploads = await open((request, response) => {
        const got = createHash('sha256');
        void (async () => {
          let n = 0;
          for await (const chunk of request as AsyncIterable<Buffer>) {
            if (n++ % 8 === 0) await sleep(2);
            got.update(chunk);
          }
          response.end(got.digest('hex'));
        })();
      });
      const sent = body();
      const used: Buffer[] = [];
      sent.on('data', (piece: Buffer) => used.push(piece));
      const answer = await uploads.request({
        method: 'PATCH',
        path: '/',
        headers: framing,
        body: sent,
      });
      let text = '';
      for await (const chunk of answer.body) text += String(chunk);
      expect([answer.statusCode, text]).toEqual([200, whole]);
      expect(used.filter((piece) => piece.byteLength > 0)).toEqual([]);
    },
  );

  it('that is part of larger memory takes nothing from the rest of it', async () => {
    const memory = Buffer.from(new Uint8Array(100).fill(7));
    const uploads = await open((request, response) => {
      request.resume().on('end', () => response.end());
    });
    await uploads.request({
      method: 'PATCH',
      path: '/',
      headers: {},
      body: Readable.from([memory.subarray(10, 20)]),
    });
    expect(memory.every((byte) => byte === 7)).toBe(true);
    expect(memory).toHaveLength(100);
  });

  it('is not sent to its end where the registry has answered before', async () => {
    const uploads = await open((_request, response) => {
      response.writeHead(413, { connection: 'close' }).end('too large');
    });
    const endless = new PassThrough();
    endless.write(randomBytes(1024));
    const answer = await uploads.request({ method: 'PUT', path: '/', headers: {}, body: endless });
    expect(answer.statusCode).toBe(413);
    await answer.body.dump();
    expect(endless.listenerCount('data')).toBe(0);
  });

  it('that breaks off is never taken for a whole one', async () => {
    let ended = false;
    const uploads = await open((request) => {
      request.on('end', () => (ended = true)).on('error', () => undefined);
      request.resume();
    });
    const broken = new PassThrough();
    broken.write(randomBytes(1024));
    const asked = uploads.request({ method: 'PATCH', path: '/', headers: {}, body: broken });
    await sleep(20);
    broken.destroy();
    await expect(asked).rejects.toThrow('the client went away');
    expect(ended).toBe(false);
  });

  it('gives a field that was answered twice as a list, so that no one of them counts', async () => {
    const uploads = await open((request, response) => {
      request.resume();
      response.writeHead(202, [
        ['Location', '/one'],
        ['Location', '/two'],
      ] as never);
      response.end();
    });
    const answer = await uploads.request({ method: 'POST', path: '/', headers: {}, body: body() });
    expect(answer.headers['location']).toEqual(['/one', '/two']);
    await answer.body.dump();
  });
});
