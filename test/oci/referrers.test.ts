import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { digestOf } from '../../src/oci/digest.ts';
import { LIMITS } from '../../src/lib/limits.ts';
import { createRegistryClient } from '../../src/oci/client.ts';
import { MEDIA } from '../../src/oci/media-types.ts';
import { fallbackTag, parseFallbackTag } from '../../src/oci/referrers.ts';
import type { WireServer } from '../support/wire-server.ts';
import { startWireServer } from '../support/wire-server.ts';

const SUBJECT = digestOf(Buffer.from('subject'));
const entry = (name: string) => ({
  mediaType: MEDIA.ociManifest,
  digest: digestOf(Buffer.from(name)),
  size: 7,
});
const index = (manifests: readonly unknown[]): string =>
  JSON.stringify({ schemaVersion: 2, mediaType: MEDIA.ociIndex, manifests });

describe('the referrers tag schema', () => {
  it('is the algorithm and the first 64 digits', () => {
    expect(fallbackTag(SUBJECT)).toBe(SUBJECT.replace(':', '-'));
    const long = digestOf(Buffer.from('subject'), 'sha512');
    expect(fallbackTag(long)).toBe(`sha512-${long.slice(7, 71)}`);
  });

  it('is read back as the subject, or as the half of it that a sha512 tag holds', () => {
    fc.assert(
      fc.property(fc.uint8Array(), fc.constantFrom('sha256', 'sha512'), (bytes, algorithm) => {
        const digest = digestOf(bytes, algorithm);
        const parsed = parseFallbackTag(fallbackTag(digest));
        expect(parsed?.subject).toBe(algorithm === 'sha256' ? digest : null);
        expect(digest.startsWith(parsed?.prefix ?? 'none')).toBe(true);
      }),
    );
  });

  it('is no other tag', () => {
    const hex = SUBJECT.slice(7);
    for (const tag of [
      'latest',
      hex,
      `sha256-${hex}.sig`,
      `sha256-${hex.slice(1)}`,
      `sha256-${hex}0`,
      `sha256-${hex.toUpperCase()}`,
      `sha384-${hex}`,
      `SHA256-${hex}`,
    ]) {
      expect([tag, parseFallbackTag(tag)]).toEqual([tag, null]);
    }
  });
});

describe('a list of referrers', () => {
  let server: WireServer | undefined;
  afterEach(() => server?.stop());

  const listed = async (
    answer: (target: string) => { status?: number; type?: string; link?: string; body: string },
  ) => {
    server = await startWireServer((request, response) => {
      const { status = 200, type = MEDIA.ociIndex, link, body } = answer(request.url ?? '');
      response.writeHead(status, {
        'content-type': type,
        ...(link === undefined ? {} : { link }),
      });
      response.end(body);
    });
    const client = createRegistryClient({ host: server.host, retry: { attempts: 1 } });
    try {
      return await client.evidence('team/app').referrers(SUBJECT);
    } finally {
      await client.close();
    }
  };

  it('is read page by page', async () => {
    const list = await listed((target) =>
      target.includes('last=')
        ? { body: index([entry('second')]) }
        : { body: index([entry('first')]), link: `<${target}?last=x>; rel="next"` },
    );
    expect(list).toEqual({ descriptors: [entry('first'), entry('second')], complete: true });
  });

  it.each([
    [400, MEDIA.ociIndex],
    [404, MEDIA.ociIndex],
    [405, 'text/plain'],
    [406, 'application/json'],
    [200, 'text/html; charset=utf-8'],
  ])('says that the registry has no such API where it answers %s with %s', async (status, type) => {
    expect(await listed(() => ({ status, type, body: '404 page not found' }))).toBe(null);
  });

  it('of whose further pages one is missing is an error and never "none"', async () => {
    const page = { body: index([]), link: '<?last=x>; rel="next"' };
    const answer = (target: string) =>
      target.includes('last=') ? { status: 404, body: '' } : page;
    await expect(listed(answer)).rejects.toMatchObject({ name: 'CountersignError' });
  });

  it('that never ends is cut, and says so', async () => {
    let pages = 0;
    const list = await listed((target) => {
      pages++;
      return {
        body: index([entry(`page ${pages}`)]),
        link: `<${target.split('?')[0]}?last=${pages}>; rel="next"`,
      };
    });
    expect(pages).toBe(LIMITS.referrerPages);
    expect([list?.descriptors.length, list?.complete]).toEqual([LIMITS.referrerPages, false]);
  });

  it('that is no index, or goes on at another host, is an error and never "none"', async () => {
    await expect(listed(() => ({ body: '{}' }))).rejects.toMatchObject({
      code: 'UPSTREAM_INVALID',
    });
    const link = '<http://127.0.0.2:1/v2/team/app/referrers/x>; rel="next"';
    await expect(listed(() => ({ body: index([]), link }))).rejects.toMatchObject({
      code: 'UPSTREAM_INVALID',
    });
    await expect(listed(() => ({ status: 500, body: '' }))).rejects.toMatchObject({
      code: 'UPSTREAM_UNAVAILABLE',
    });
  });
});
