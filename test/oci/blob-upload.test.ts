import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { CountersignError } from '../../src/lib/errors.ts';
import type { BlobContent } from '../../src/oci/blob-upload.ts';
import { digestOf } from '../../src/oci/digest.ts';
import { wireRegistries } from '../support/wire-registry.ts';
import type { WireServer } from '../support/wire-server.ts';
import { answerError, bodyOf, password } from '../support/wire-server.ts';

const BYTES = Buffer.alloc(1_000_000, 'a layer ');
const DIGEST = digestOf(BYTES);

const content = (opened: number[] = []): BlobContent => ({
  digest: DIGEST,
  size: BYTES.length,
  open: (start) => {
    opened.push(start);
    return Readable.from([BYTES.subarray(start)]);
  },
});

describe('uploading a blob', () => {
  const { serve, clientOf } = wireRegistries();

  /** A registry that keeps one upload session; `onPatch` may break it by answering `false`. */
  const sessions = async (options: {
    readonly onPatch?: (take: (bytes: number) => Promise<void>, nth: number) => Promise<boolean>;
    readonly onPut?: (nth: number) => 'done' | 'lost' | 'broken';
    /** Forgets a session whose PATCH broke, as docker-registry does. */
    readonly forgets?: boolean;
    readonly location?: (request: IncomingMessage) => string;
  }): Promise<{ server: WireServer; stored: () => Buffer | undefined }> => {
    let received = Buffer.alloc(0);
    let session = 0;
    let patches = 0;
    let puts = 0;
    let stored: Buffer | undefined;
    const server = await serve(async (request, response) => {
      const here = options.location?.(request) ?? `/up/${session}`;
      switch (request.method) {
        case 'HEAD':
          response.writeHead(stored === undefined ? 404 : 200).end();
          return;
        case 'POST':
          received = Buffer.alloc(0);
          session++;
          response.writeHead(202, { location: options.location?.(request) ?? `/up/${session}` });
          response.end();
          return;
        case 'GET':
          if (options.forgets === true)
            return answerError(response, 404, 'BLOB_UPLOAD_UNKNOWN', '');
          response.writeHead(204, {
            range: `0-${Math.max(received.length - 1, 0)}`,
            location: here,
          });
          response.end();
          return;
        case 'PATCH': {
          const take = async (bytes: number): Promise<void> => {
            let taken = 0;
            for await (const chunk of request) {
              const part = (chunk as Buffer).subarray(0, bytes - taken);
              received = Buffer.concat([received, part]);
              taken += part.length;
              if (taken >= bytes) return;
            }
          };
          if ((await options.onPatch?.(take, ++patches)) === false) {
            request.socket.destroy();
            return;
          }
          received = Buffer.concat([received, await bodyOf(request)]);
          response.writeHead(202, { location: here, range: `0-${received.length - 1}` }).end();
          return;
        }
        default: {
          const end = options.onPut?.(++puts) ?? 'done';
          if (end !== 'lost') stored = received;
          if (end === 'done') response.writeHead(201).end();
          else request.socket.destroy();
        }
      }
    });
    return { server, stored: () => stored };
  };
  const methods = (server: WireServer): string[] =>
    server.seen.map(({ line }) => line.split(' ')[0] ?? '');

  it('is POST, PATCH with the whole, PUT with the digest', async () => {
    const { server, stored } = await sessions({});
    const sent: number[] = [];
    const done = await clientOf(server).uploadBlob('a', content(), { onSent: (n) => sent.push(n) });
    expect(done).toBe('uploaded');
    expect(stored()).toEqual(BYTES);
    expect(methods(server)).toEqual(['POST', 'PATCH', 'PUT']);
    expect(server.seen[1]?.headers['content-length']).toBe(String(BYTES.length));
    expect(sent.at(-1)).toBe(BYTES.length);
  });

  it('continues where the connection broke', async () => {
    const { server, stored } = await sessions({
      onPatch: async (take, nth) => {
        if (nth > 2) return true;
        await take(300_000);
        return false;
      },
    });
    const opened: number[] = [];
    await clientOf(server).uploadBlob('a', content(opened));
    expect(stored()).toEqual(BYTES);
    expect(opened).toEqual([0, 300_000, 600_000]);
    expect(methods(server)).toEqual(['POST', 'PATCH', 'GET', 'PATCH', 'GET', 'PATCH', 'PUT']);
    expect(server.seen[5]?.headers['content-range']).toBe('600000-999999');
  });

  it('begins anew where the registry forgot the session', async () => {
    const { server, stored } = await sessions({
      forgets: true,
      onPatch: async (take, nth) => {
        if (nth > 1) return true;
        await take(300_000);
        return false;
      },
    });
    await clientOf(server).uploadBlob('a', content());
    expect(stored()).toEqual(BYTES);
    expect(methods(server)).toEqual(['POST', 'PATCH', 'GET', 'POST', 'PATCH', 'PUT']);
  });

  it('gives up where no attempt gets any further', async () => {
    const { server } = await sessions({ onPatch: () => Promise.resolve(false) });
    await expect(clientOf(server).uploadBlob('a', content())).rejects.toMatchObject({
      code: 'UPSTREAM_UNAVAILABLE',
    });
    expect(methods(server).filter((method) => method === 'PATCH')).toHaveLength(3);
  });

  it('notices that the last answer alone was lost', async () => {
    const { server, stored } = await sessions({ forgets: true, onPut: () => 'broken' });
    expect(await clientOf(server).uploadBlob('a', content())).toBe('uploaded');
    expect(stored()).toEqual(BYTES);
    expect(methods(server)).toEqual(['POST', 'PATCH', 'PUT', 'GET', 'HEAD']);
  });

  it('is mounted where another repository has it', async () => {
    const server = await serve((_request, response) => void response.writeHead(201).end());
    const done = await clientOf(server).uploadBlob('a', content(), { mountFrom: 'b/c' });
    expect(done).toBe('mounted');
    expect(server.seen.map(({ line }) => line)).toEqual([
      `POST /v2/a/blobs/uploads/?mount=${encodeURIComponent(DIGEST)}&from=b%2Fc`,
    ]);
  });

  it('goes without the login where the registry names another origin', async () => {
    const storage = await sessions({});
    const server = await serve((request, response) => {
      if (request.headers.authorization === undefined)
        response.writeHead(401, { 'www-authenticate': 'Basic realm="r"' }).end();
      else response.writeHead(202, { location: `${storage.server.url}/up/1?sig=1` }).end();
    });
    const client = clientOf(server, { credentials: password });
    // The storage answers PATCH with its own path, and so stays where it is.
    await client.uploadBlob('a', content());
    expect(storage.stored()).toEqual(BYTES);
    expect(methods(storage.server)).toEqual(['PATCH', 'PUT']);
    for (const { headers } of storage.server.seen) expect(headers.authorization).toBeUndefined();
    expect(server.seen.at(-1)?.headers.authorization).toMatch(/^Basic /);
  });

  it.each(['http://192.0.2.1/up', 'https://user:x@127.0.0.1/up', 'gopher://x/'])(
    'is not sent to %s',
    async (location) => {
      const server = await serve((_request, response) => {
        response.writeHead(202, { location }).end();
      });
      await expect(clientOf(server).uploadBlob('a', content())).rejects.toMatchObject({
        code: 'UPSTREAM_INVALID',
      });
    },
  );

  it('fails with the source’s own reason, and is not tried again', async () => {
    const { server, stored } = await sessions({});
    const damaged: BlobContent = {
      ...content(),
      open: () =>
        Readable.from(
          (async function* () {
            yield await Promise.resolve(BYTES.subarray(0, 1000));
            throw new CountersignError('SOURCE_INVALID', 'the source is damaged');
          })(),
        ),
    };
    await expect(clientOf(server).uploadBlob('a', damaged)).rejects.toMatchObject({
      code: 'SOURCE_INVALID',
    });
    expect(stored()).toBeUndefined();
    expect(methods(server).slice(2)).toEqual([]);
  });

  it('ends at once when it is aborted', async () => {
    const controller = new AbortController();
    const { server } = await sessions({
      onPatch: () => {
        controller.abort(new Error('interrupted'));
        return Promise.resolve(false);
      },
    });
    await expect(
      clientOf(server).uploadBlob('a', content(), { signal: controller.signal }),
    ).rejects.toThrow('interrupted');
    expect(methods(server)).toEqual(['POST', 'PATCH']);
  });

  it('keeps a refusal as it is', async () => {
    const server = await serve((_request, response) =>
      answerError(response, 403, 'DENIED', 'no push right'),
    );
    await expect(clientOf(server).uploadBlob('a', content())).rejects.toMatchObject({
      code: 'FORBIDDEN',
      message: expect.stringContaining('no push right'),
    });
  });
});
