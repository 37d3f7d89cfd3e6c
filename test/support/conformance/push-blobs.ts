import { expect } from 'vitest';
import type { Digest } from '../../../src/oci/digest.ts';
import { digestOf } from '../../../src/oci/digest.ts';
import type { Called } from '../http-call.ts';
import { pushBlob } from '../image.ts';
import type { Row, Target } from './target.ts';
import { fresh, noDigest, OCTETS, targetAt } from './target.ts';

const UPLOADS = 'blobs/uploads/';

async function open({ send }: Target): Promise<Called> {
  const opened = await send('POST', UPLOADS);
  expect(opened.status).toBe(202);
  expect(opened.headers.location).toBeDefined();
  return opened;
}

async function expectBlob(target: Target, made: Called, bytes: Buffer): Promise<void> {
  expect(made.status).toBe(201);
  const got = await target.follow('GET', made);
  expect([got.status, got.body]).toEqual([200, bytes]);
}

const chunk = (bytes: Buffer, from: number, to: number) => ({
  body: bytes.subarray(from, to),
  headers: { ...OCTETS, 'Content-Range': `${from}-${to - 1}` },
});

async function* pieces(bytes: Buffer): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += 700) yield bytes.subarray(at, at + 700);
}

/** distribution-spec 1.1, "Pushing blobs". */
export const PUSH_BLOBS: readonly Row[] = [
  {
    title: 'POST, then PUT of the whole',
    run: async (target) => {
      const bytes = fresh();
      const opened = await open(target);
      const query = `digest=${digestOf(bytes)}`;
      const made = await target.follow('PUT', opened, query, { body: bytes, headers: OCTETS });
      await expectBlob(target, made, bytes);
    },
  },
  {
    title: 'POST of the whole with its digest is 201, or opens a session',
    run: async (target) => {
      const bytes = fresh();
      const query = `digest=${digestOf(bytes)}`;
      const post = await target.send('POST', `${UPLOADS}?${query}`, {
        body: bytes,
        headers: OCTETS,
      });
      const made =
        post.status === 202
          ? await target.follow('PUT', post, query, { body: bytes, headers: OCTETS })
          : post;
      await expectBlob(target, made, bytes);
    },
  },
  {
    title: 'a digest in the query may be percent-encoded',
    run: async (target) => {
      const bytes = fresh();
      const query = `digest=${encodeURIComponent(digestOf(bytes))}`;
      const opened = await open(target);
      const made = await target.follow('PUT', opened, query, { body: bytes, headers: OCTETS });
      await expectBlob(target, made, bytes);
    },
  },
  {
    title: 'chunks in order, each 202 with Location and Range, closed by an empty PUT',
    run: async (target) => {
      const bytes = fresh(3000);
      const first = await target.follow('PATCH', await open(target), '', chunk(bytes, 0, 2000));
      expect([first.status, first.headers['range']]).toEqual([202, '0-1999']);
      const second = await target.follow('PATCH', first, '', chunk(bytes, 2000, 3000));
      expect([second.status, second.headers['range']]).toEqual([202, '0-2999']);
      const made = await target.follow('PUT', second, `digest=${digestOf(bytes)}`);
      await expectBlob(target, made, bytes);
    },
  },
  {
    title: 'the last chunk may come with the PUT',
    run: async (target) => {
      const bytes = fresh(3000);
      const first = await target.follow('PATCH', await open(target), '', chunk(bytes, 0, 2000));
      const query = `digest=${digestOf(bytes)}`;
      const made = await target.follow('PUT', first, query, chunk(bytes, 2000, 3000));
      await expectBlob(target, made, bytes);
    },
  },
  {
    title: 'a PATCH of unknown length is taken as a stream',
    run: async (target) => {
      const bytes = fresh(3000);
      const sent = await target.follow('PATCH', await open(target), '', { body: pieces(bytes) });
      expect(sent.status).toBe(202);
      await expectBlob(
        target,
        await target.follow('PUT', sent, `digest=${digestOf(bytes)}`),
        bytes,
      );
    },
  },
  {
    title: 'a chunk that skips bytes is 416, and the upload goes on from where it stood',
    run: async (target) => {
      const bytes = fresh(3000);
      const first = await target.follow('PATCH', await open(target), '', chunk(bytes, 0, 1000));
      const wrong = await target.follow('PATCH', first, '', chunk(bytes, 2000, 3000));
      expect(wrong.status).toBe(416);
      const again = await target.follow('PATCH', first, '', chunk(bytes, 0, 1000));
      expect(again.status).toBe(416);
      const next = await target.follow('PATCH', first, '', chunk(bytes, 1000, 3000));
      await expectBlob(
        target,
        await target.follow('PUT', next, `digest=${digestOf(bytes)}`),
        bytes,
      );
    },
  },
  {
    title: 'GET of an upload is 204 with Range and Location',
    run: async (target) => {
      const bytes = fresh(3000);
      const first = await target.follow('PATCH', await open(target), '', chunk(bytes, 0, 1000));
      const status = await target.follow('GET', first);
      expect([status.status, status.headers['range']]).toEqual([204, '0-999']);
      expect(status.headers.location).toBeDefined();
      const next = await target.follow('PATCH', status, '', chunk(bytes, 1000, 3000));
      await expectBlob(
        target,
        await target.follow('PUT', next, `digest=${digestOf(bytes)}`),
        bytes,
      );
    },
  },
  {
    title: 'DELETE of an upload is 204 and ends it',
    run: async (target) => {
      const opened = await open(target);
      expect((await target.follow('DELETE', opened)).status).toBe(204);
      const gone = await target.follow('GET', opened);
      expect([gone.status, gone.code]).toEqual([404, 'BLOB_UPLOAD_UNKNOWN']);
    },
  },
  {
    title: 'content of another digest is 400 and stores nothing',
    run: async (target) => {
      const bytes = fresh();
      const wrong = noDigest();
      const put = await target.follow('PUT', await open(target), `digest=${wrong}`, {
        body: bytes,
        headers: OCTETS,
      });
      expect([put.status, put.code]).toEqual([400, 'DIGEST_INVALID']);
      for (const digest of [wrong, digestOf(bytes)])
        expect((await target.send('HEAD', `blobs/${digest}`)).status).toBe(404);
    },
  },
  {
    title: 'a blob is mounted from another repository of the registry',
    run: async (target) => {
      const bytes = fresh();
      const source = targetAt(target.url);
      const digest = await pushBlob(target.url, source.repo, bytes);
      const query = `mount=${digest}&from=${source.repo}`;
      await expectBlob(target, await target.send('POST', `${UPLOADS}?${query}`), bytes);
    },
  },
  {
    title: 'a mount of what the source lacks opens an ordinary session',
    run: async (target) => {
      const bytes = fresh();
      const digest = digestOf(bytes);
      const query = `mount=${digest}&from=${targetAt(target.url).repo}`;
      const opened = await target.send('POST', `${UPLOADS}?${query}`);
      expect(opened.status).toBe(202);
      const put = { body: bytes, headers: OCTETS };
      await expectBlob(target, await target.follow('PUT', opened, `digest=${digest}`, put), bytes);
    },
  },
  {
    title: 'a mount without a source is 201 or opens an ordinary session',
    run: async (target) => {
      const digest = await pushBlob(target.url, targetAt(target.url).repo, fresh());
      const answer = await target.send('POST', `${UPLOADS}?mount=${digest}`);
      expect([201, 202]).toContain(answer.status);
    },
  },
  {
    title: 'the empty blob is a blob',
    run: async (target) => {
      const bytes = Buffer.alloc(0);
      const made = await target.follow('PUT', await open(target), `digest=${digestOf(bytes)}`);
      await expectBlob(target, made, bytes);
    },
  },
  {
    title: 'sha512 names blobs too',
    run: async (target) => {
      const bytes = fresh();
      const digest: Digest = digestOf(bytes, 'sha512');
      const put = { body: bytes, headers: OCTETS };
      const made = await target.follow('PUT', await open(target), `digest=${digest}`, put);
      await expectBlob(target, made, bytes);
      const head = await target.send('HEAD', `blobs/${digest}`);
      expect([head.status, head.headers['docker-content-digest']]).toEqual([200, digest]);
    },
  },
  {
    title: 'a first chunk that does not begin with byte 0 is 416',
    run: async (target) => {
      const bytes = fresh(3000);
      const wrong = await target.follow('PATCH', await open(target), '', chunk(bytes, 1000, 3000));
      expect(wrong.status).toBe(416);
    },
  },
  {
    title: 'a last chunk out of order, with the PUT, is 416',
    run: async (target) => {
      const bytes = fresh(3000);
      const first = await target.follow('PATCH', await open(target), '', chunk(bytes, 0, 1000));
      const query = `digest=${digestOf(bytes)}`;
      const wrong = await target.follow('PUT', first, query, chunk(bytes, 2000, 3000));
      expect(wrong.status).toBe(416);
    },
  },
  {
    title: 'an upload that broke off goes on where GET says that it stands',
    run: async (target) => {
      const bytes = fresh(3000);
      const opened = await open(target);
      const broken = (async function* () {
        yield bytes.subarray(0, 1000);
        // Until these bytes are on their way; then the connection goes.
        await new Promise((resolve) => setTimeout(resolve, 200));
        throw new Error('broken off');
      })();
      await expect(target.follow('PATCH', opened, '', { body: broken })).rejects.toThrow('broken');
      let status = await target.follow('GET', opened);
      for (let tries = 0; tries < 100 && status.status !== 204; tries++)
        status = await target.follow('GET', opened);
      expect(status.status).toBe(204);
      const arrived = Number(/^0-([0-9]+)$/.exec(String(status.headers['range']))?.[1] ?? '0');
      const from = arrived === 0 ? 0 : arrived + 1;
      const rest = await target.follow('PATCH', status, '', chunk(bytes, from, 3000));
      expect(rest.status).toBe(202);
      const made = await target.follow('PUT', rest, `digest=${digestOf(bytes)}`);
      await expectBlob(target, made, bytes);
    },
  },
  {
    title: 'an upload is closed by nothing but a digest of a known algorithm',
    run: async (target) => {
      for (const digest of ['', 'sha256:abc', 'md5:d41d8cd98f00b204e9800998ecf8427e', 'x']) {
        const bytes = { body: fresh(), headers: OCTETS };
        const query = digest === '' ? '' : `digest=${digest}`;
        const put = await target.follow('PUT', await open(target), query, bytes);
        expect([digest, put.status]).toEqual([digest, 400]);
      }
    },
  },
  {
    title: 'an upload of one repository does not go on in another',
    run: async (target) => {
      const bytes = fresh();
      const opened = await open(target);
      const other = targetAt(target.url);
      await pushBlob(target.url, other.repo, fresh());
      const location = String(opened.headers.location).replace(target.repo, other.repo);
      const moved: Called = { ...opened, headers: { ...opened.headers, location } };
      const body = { body: bytes, headers: OCTETS };
      for (const [method, query] of [
        ['GET', ''],
        ['PATCH', ''],
        ['PUT', `digest=${digestOf(bytes)}`],
        ['DELETE', ''],
      ] as const) {
        const options = method === 'PATCH' || method === 'PUT' ? body : {};
        const answer = await other.follow(method, moved, query, options);
        expect([method, [400, 404].includes(answer.status)]).toEqual([method, true]);
      }
      expect((await other.send('HEAD', `blobs/${digestOf(bytes)}`)).status).toBe(404);
      const made = await target.follow('PUT', opened, `digest=${digestOf(bytes)}`, body);
      await expectBlob(target, made, bytes);
    },
  },
  {
    title: 'digest-algorithm at the start of an upload is taken or not heeded',
    run: async (target) => {
      const bytes = fresh();
      const opened = await target.send('POST', `${UPLOADS}?digest-algorithm=sha256`);
      expect(opened.status).toBe(202);
      const put = { body: bytes, headers: OCTETS };
      const made = await target.follow('PUT', opened, `digest=${digestOf(bytes)}`, put);
      await expectBlob(target, made, bytes);
    },
  },
  {
    title: 'a blob that is pushed again is there all the same',
    run: async (target) => {
      const bytes = fresh();
      for (let times = 0; times < 2; times++) {
        const put = { body: bytes, headers: OCTETS };
        const query = `digest=${digestOf(bytes)}`;
        await expectBlob(target, await target.follow('PUT', await open(target), query, put), bytes);
      }
    },
  },
];
