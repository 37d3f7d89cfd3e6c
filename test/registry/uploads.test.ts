import { once } from 'node:events';
import { request } from 'node:http';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { beforeAll, describe, expect, it } from 'vitest';
import { digestOf } from '../../src/oci/digest.ts';
import { fresh, targetAt } from '../support/conformance/target.ts';
import { filesBelow } from '../support/content-folder.ts';
import type { Called } from '../support/http-call.ts';
import { call } from '../support/http-call.ts';
import type { RunningRegistry } from '../support/registry.ts';
import { startRegistry } from '../support/registry.ts';
import { suiteScope } from '../support/scope.ts';

const HOUR = 3_600_000;

describe('upload sessions', () => {
  const scope = suiteScope();
  let root: string;
  let registry: RunningRegistry;
  let now = Date.now();

  beforeAll(async () => {
    root = scope.folder();
    const clock = (): Date => new Date(now);
    registry = scope.own(await startRegistry(root, { clock, maxUploads: 20 }));
  });

  const open = async (repo = 'team/app'): Promise<string> => {
    const opened = await call(registry.url, 'POST', `/v2/${repo}/blobs/uploads/`);
    expect(opened.status).toBe(202);
    return opened.headers.location ?? '';
  };
  const patch = async (location: string, body: Buffer, range?: string): Promise<Called> =>
    call(registry.url, 'PATCH', location, {
      body,
      headers: range === undefined ? {} : { 'Content-Range': range },
    });
  const rangeOf = async (location: string): Promise<unknown> =>
    (await call(registry.url, 'GET', location)).headers['range'];

  /** Sends part of a PATCH body; `finish` ends it, `cut` breaks the connection. */
  async function slowPatch(location: string, part: Buffer) {
    const sent = request(new URL(location, registry.url), { method: 'PATCH' });
    const broken = once(sent, 'error');
    broken.catch(() => undefined);
    sent.write(part);
    while ((await rangeOf(location)) !== `0-${part.length - 1}`) await sleep(5);
    return {
      cut: async () => {
        sent.destroy(new Error('cut'));
        await broken;
      },
      finish: async () => {
        const answered = once(sent, 'response');
        sent.end();
        const [answer] = (await answered) as [{ statusCode: number; resume(): void }];
        answer.resume();
        return answer.statusCode;
      },
    };
  }

  it('addresses a session by a path, so that it is right behind any proxy', async () => {
    expect(await open()).toMatch(/^\/v2\/team\/app\/blobs\/uploads\/[0-9a-f]{32}$/);
  });

  it('goes on where a broken connection left it', async () => {
    const bytes = fresh(5000);
    const location = await open();
    await (await slowPatch(location, bytes.subarray(0, 2000))).cut();
    let rest = await patch(location, bytes.subarray(2000), '2000-4999');
    while (rest.status === 409) rest = await patch(location, bytes.subarray(2000), '2000-4999');
    expect([rest.status, rest.headers['range']]).toEqual([202, '0-4999']);
    const put = await call(registry.url, 'PUT', `${location}?digest=${digestOf(bytes)}`);
    expect(put.status).toBe(201);
    const got = await call(registry.url, 'GET', put.headers.location ?? '');
    expect(got.body).toEqual(bytes);
  });

  it('lets one request write at a time and refuses the others, whose bytes do not count', async () => {
    const bytes = fresh(3000);
    const location = await open();
    const slow = await slowPatch(location, bytes);
    for (const answer of [
      await patch(location, fresh(10)),
      await call(registry.url, 'PUT', `${location}?digest=${digestOf(bytes)}`),
      await call(registry.url, 'DELETE', location),
    ])
      expect([answer.status, answer.code]).toEqual([409, 'BLOB_UPLOAD_INVALID']);
    expect(await slow.finish()).toBe(202);
    const put = await call(registry.url, 'PUT', `${location}?digest=${digestOf(bytes)}`);
    expect(put.status).toBe(201);
  });

  it('belongs to one repository', async () => {
    const location = await open('team/app');
    const elsewhere = location.replace('team/app', 'other/app');
    for (const method of ['GET', 'PATCH', 'DELETE']) {
      const answer = await call(registry.url, method, elsewhere);
      expect([answer.status, answer.code]).toEqual([404, 'BLOB_UPLOAD_UNKNOWN']);
    }
    expect((await call(registry.url, 'GET', location)).status).toBe(204);
  });

  it('takes back a chunk whose length is not the announced one', async () => {
    const location = await open();
    await patch(location, fresh(100), '0-99');
    const wrong = await patch(location, fresh(50), '100-109');
    expect([wrong.status, wrong.code]).toEqual([400, 'SIZE_INVALID']);
    async function* chunked(): AsyncGenerator<Buffer> {
      yield fresh(5);
      yield fresh(50);
    }
    for (const range of ['100-109', '100-999']) {
      const headers = { 'Content-Range': range };
      const sent = await call(registry.url, 'PATCH', location, { body: chunked(), headers });
      expect([sent.status, sent.code]).toEqual([400, 'SIZE_INVALID']);
      expect(await rangeOf(location)).toBe('0-99');
    }
    const bad = await patch(location, fresh(5), 'bytes 100-104/105');
    expect([bad.status, bad.code]).toEqual([400, 'BLOB_UPLOAD_INVALID']);
  });

  it('checks the digest of the whole after a chunk was taken back', async () => {
    const bytes = fresh(200);
    const location = await open();
    await patch(location, bytes.subarray(0, 100));
    async function* tooMuch(): AsyncGenerator<Buffer> {
      yield fresh(5);
      yield fresh(50);
    }
    const headers = { 'Content-Range': '100-109' };
    await call(registry.url, 'PATCH', location, { body: tooMuch(), headers });
    const put = await call(registry.url, 'PUT', `${location}?digest=${digestOf(bytes)}`, {
      body: bytes.subarray(100),
    });
    expect(put.status).toBe(201);
  });

  it('removes a session whose content has another digest', async () => {
    const location = await open();
    const put = await call(registry.url, 'PUT', `${location}?digest=${digestOf(fresh())}`, {
      body: fresh(),
    });
    expect([put.status, put.code]).toEqual([400, 'DIGEST_INVALID']);
    expect((await call(registry.url, 'GET', location)).status).toBe(404);
  });

  it('ends without a digest or with a malformed one as 400, and stays open', async () => {
    const location = await open();
    for (const query of ['', '?digest=', '?digest=sha256:x', `?digest=md5:${'a'.repeat(32)}`]) {
      const put = await call(registry.url, 'PUT', `${location}${query}`);
      expect([put.status, put.code]).toEqual([400, 'DIGEST_INVALID']);
    }
    expect((await call(registry.url, 'GET', location)).status).toBe(204);
  });

  it('hashes by the algorithm that was asked for, and refuses one that it does not know', async () => {
    const bytes = fresh();
    const opened = await call(
      registry.url,
      'POST',
      '/v2/team/app/blobs/uploads/?digest-algorithm=sha512',
    );
    const location = opened.headers.location ?? '';
    await patch(location, bytes);
    const query = `digest=${digestOf(bytes, 'sha512')}`;
    expect((await call(registry.url, 'PUT', `${location}?${query}`)).status).toBe(201);
    const unknown = '/v2/team/app/blobs/uploads/?digest-algorithm=md5';
    expect((await call(registry.url, 'POST', unknown)).status).toBe(400);
  });

  it('leaves nothing behind of a whole POST that failed', async () => {
    const before = filesBelow(join(root, 'uploads'));
    const target = `/v2/team/app/blobs/uploads/?digest=${digestOf(fresh())}`;
    const answer = await call(registry.url, 'POST', target, { body: fresh() });
    expect([answer.status, answer.code]).toEqual([400, 'DIGEST_INVALID']);
    expect(filesBelow(join(root, 'uploads'))).toEqual(before);
  });

  it('is bounded in number, and makes room by dropping what nobody continued for a day', async () => {
    const first = await open();
    let opened: Called;
    do {
      opened = await call(registry.url, 'POST', '/v2/team/app/blobs/uploads/');
    } while (opened.status === 202);
    expect([opened.status, opened.code]).toEqual([429, 'TOOMANYREQUESTS']);
    now += 23 * HOUR;
    await patch(first, fresh(10));
    now += 2 * HOUR;
    await open();
    expect(filesBelow(join(root, 'uploads'))).toHaveLength(2 * 2);
    expect(await rangeOf(first)).toBe('0-9');
  });

  it('survives a restart, but not one a day later', async () => {
    const bytes = fresh(1000);
    const { repo } = targetAt(registry.url);
    const location = await open(repo);
    await patch(location, bytes.subarray(0, 600));
    await registry.stop();
    now = Date.now();
    registry = scope.own(await startRegistry(root, { clock: () => new Date(now) }));
    expect(await rangeOf(location)).toBe('0-599');
    const put = await call(registry.url, 'PUT', `${location}?digest=${digestOf(bytes)}`, {
      body: bytes.subarray(600),
    });
    expect(put.status).toBe(201);
    const abandoned = await open(repo);
    await registry.stop();
    now = Date.now() + 25 * HOUR;
    registry = scope.own(await startRegistry(root, { clock: () => new Date(now) }));
    expect((await call(registry.url, 'GET', abandoned)).status).toBe(404);
    expect(filesBelow(join(root, 'uploads'))).toEqual([]);
  });
});
