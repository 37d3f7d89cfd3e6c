import { describe, expect, it } from 'vitest';
import { digestOf } from '../../../src/oci/digest.ts';
import type { Attacked } from '../../support/attacked.ts';
import { as, attackedGates } from '../../support/attacked.ts';
import type { Called } from '../../support/http-call.ts';
import { call } from '../../support/http-call.ts';
import type { TestImage } from '../../support/image.ts';
import { buildIndex, contentImage, pushBlob, pushImage } from '../../support/image.ts';
import { answerError } from '../../support/wire-server.ts';

const tags = (...names: string[]): string => names.map((name) => `tag=${name}`).join('&');

const push = (
  gate: Attacked,
  made: TestImage,
  query: string,
  more: { readonly reference?: string; readonly headers?: Record<string, string> } = {},
): Promise<Called> =>
  gate.call('PUT', `/v2/team/app/manifests/${more.reference ?? made.digest}?${query}`, {
    body: made.manifest,
    headers: { 'content-type': made.mediaType, ...more.headers },
  });

/** What the registry behind has under each tag; `null` where it has no such tag. */
const behind = (gate: Attacked, ...names: string[]): Promise<(string | null)[]> =>
  Promise.all(
    names.map(async (tag) => {
      const found = await call(gate.registry, 'HEAD', `/v2/team/app/manifests/${tag}`);
      return found.status === 200 ? String(found.headers['docker-content-digest']) : null;
    }),
  );

/** The tags that the registry was asked to give, in order. */
const given = (gate: Attacked): string[] =>
  gate
    .asked()
    .filter((line) => line.startsWith('PUT') && line.includes('/manifests/'))
    .map((line) => line.replace(/^.*\/manifests\//, ''));

describe('a push of several tags', () => {
  const attacked = attackedGates();

  async function uploaded(gate: Attacked, content: string, headers = {}): Promise<TestImage> {
    const made = contentImage(content);
    for (const bytes of made.blobs.values()) await pushBlob(gate.url, 'team/app', bytes, headers);
    return made;
  }

  /** A gate and an image that is signed but has no tag. */
  async function signed(policy: string): Promise<{ gate: Attacked; made: TestImage }> {
    const gate = await attacked({ policy });
    const made = await uploaded(gate, 'signed\n');
    expect((await push(gate, made, '')).status).toBe(201);
    expect((await gate.sign('team/app', made.digest)).status).toBe(201);
    gate.asked();
    return { gate, made };
  }

  it('gives them all, with ordinary pushes that every registry knows, and names each', async () => {
    const { gate, made } = await signed('push: reject');
    const answer = await push(gate, made, tags('1.2.3', '1.2', 'latest'));
    expect([answer.status, answer.headers['oci-tag']]).toEqual([201, '1.2.3, 1.2, latest']);
    expect(answer.headers['docker-content-digest']).toBe(made.digest);
    expect(answer.headers.location).toBe(`${gate.url}/v2/team/app/manifests/${made.digest}`);
    expect(given(gate)).toEqual([made.digest, '1.2.3', '1.2', 'latest']);
    for (const tag of ['1.2.3', '1.2', 'latest']) {
      const pulled = await gate.call('GET', `/v2/team/app/manifests/${tag}`);
      expect([pulled.status, pulled.body]).toEqual([200, made.manifest]);
    }
  });

  it('by sha512 gives tags that are judged and read by sha256', async () => {
    const { gate, made } = await signed('push: reject');
    const reference = digestOf(made.manifest, 'sha512');
    const answer = await push(gate, made, tags('a', 'b'), { reference });
    expect([answer.status, answer.headers['docker-content-digest']]).toEqual([201, reference]);
    expect(await behind(gate, 'a', 'b')).toEqual([made.digest, made.digest]);
  });

  it('of an index works as of an image', async () => {
    const { gate, made } = await signed('push: reject');
    const index = buildIndex([made]);
    await pushImage(gate.url, 'team/app', index);
    expect((await push(gate, index, tags('a', 'b'))).status).toBe(403);
    expect((await gate.sign('team/app', index.digest)).status).toBe(201);
    expect((await push(gate, index, tags('a', 'b'))).headers['oci-tag']).toBe('a, b');
  });

  it('T-31: gives none of them where it may not give one, and names that one', async () => {
    const gate = await attacked({
      policy: 'push: reject',
      access: `  - { repositories: ["\${registry}/team/**"], pull: [ci, dev], push: [ci] }\n`,
    });
    const made = await uploaded(gate, 'unsigned\n', as('ci'));
    gate.asked();
    const refused = await push(gate, made, tags('a', 'b'), { headers: as('ci') });
    expect([refused.status, refused.code]).toEqual([403, 'DENIED']);
    expect(refused.text).toContain(`${gate.host}/team/app:a (`);
    // Without the right to push nothing is even looked at.
    expect((await push(gate, made, tags('a'), { headers: as('dev') })).status).toBe(403);
    expect((await push(gate, made, tags('a'))).status).toBe(401);
    expect(given(gate)).toEqual([]);
    expect(await behind(gate, 'a', 'b')).toEqual([null, null]);
  });

  it('T-31: decides for each tag by itself: one that is revoked stops all', async () => {
    const { gate, made } = await signed('push: reject');
    const revoked = await gate.call('POST', '/api/v1/revocations', {
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ image: `${gate.host}/team/app:bad` }),
    });
    expect(revoked.status).toBe(200);
    for (const names of [
      ['good', 'bad'],
      ['bad', 'good'],
      ['good', 'bad', 'fine'],
    ]) {
      const answer = await push(gate, made, tags(...names));
      expect([names, answer.status, answer.text.includes('app:bad')]).toEqual([names, 403, true]);
    }
    expect(given(gate)).toEqual([]);
    expect((await push(gate, made, tags('good', 'fine'))).headers['oci-tag']).toBe('good, fine');
  });

  it('T-31: takes tags in one spelling only, each once, beside a digest', async () => {
    const { gate, made } = await signed('push: allow');
    for (const query of [
      'Tag=a',
      'TAG=a',
      'tag',
      'tag=',
      'tag=a&tag=a',
      'tag=a&tag=%61',
      'tag=%61',
      '%74ag=a',
      'tag[]=a',
      'tag%5B%5D=a',
      'tag=a;tag=b',
      'a;tag=b',
      'tag=a&',
      '&tag=a',
      'tag=a&tags=b',
      'tag=a&digest=b',
      'tag=a&Tag=b',
      'tag=a,b',
      'tag=-a',
      'tag=a+b',
      'tag=a/b',
      'tag=a#b',
      `tag=${'a'.repeat(129)}`,
      `tag=${made.digest}`,
      'n=1',
    ]) {
      const answer = await push(gate, made, query);
      expect([query, answer.status]).toEqual([query, 400]);
    }
    for (const query of ['tag=a', 'tag=v', 'tag=a&tag=b', 'Tag=a', 'x=y']) {
      const answer = await push(gate, made, query, { reference: 'v' });
      expect([query, answer.status]).toEqual([query, 400]);
    }
    expect(gate.asked()).toEqual([]);
    expect(await behind(gate, 'a', 'b', 'v')).toEqual([null, null, null]);
    // What containerd adds to all that goes through a mirror changes nothing.
    expect((await push(gate, made, 'ns=docker.io')).headers['oci-tag']).toBeUndefined();
    expect((await push(gate, made, 'ns=docker.io&tag=a')).headers['oci-tag']).toBe('a');
  });

  it('T-31: takes ten tags, and refuses more with 414 before it reads anything', async () => {
    const { gate, made } = await signed('push: reject');
    const names = Array.from({ length: 11 }, (_, n) => `t${n}`);
    const answer = await push(gate, made, tags(...names));
    expect([answer.status, answer.code]).toEqual([414, 'TAG_INVALID']);
    expect(gate.asked()).toEqual([]);
    const ten = names.slice(0, 10);
    expect((await push(gate, made, tags(...ten))).headers['oci-tag']).toBe(ten.join(', '));
  });

  it('T-31: gives no tag of signatures among others', async () => {
    const { gate, made } = await signed('push: allow');
    const hex = made.digest.replace(':', '-');
    for (const tag of [`${hex}.sig`, hex]) {
      const answer = await push(gate, made, tags('a', tag));
      expect([tag, answer.status, answer.code]).toEqual([tag, 400, 'MANIFEST_INVALID']);
    }
    expect(given(gate)).toEqual([]);
    expect(await behind(gate, 'a')).toEqual([null]);
  });

  it('under push: hold lets each wait as if it were pushed by itself', async () => {
    const gate = await attacked({ policy: 'push: hold' });
    const made = await uploaded(gate, 'waits\n');
    const answer = await push(gate, made, tags('a', 'b'));
    expect([answer.status, answer.headers['oci-tag']]).toEqual([201, undefined]);
    for (const tag of ['a', 'b']) {
      expect(answer.headers['warning']).toContain(`${gate.host}/team/app:${tag} is held`);
    }
    expect(await behind(gate, 'a', 'b', made.digest)).toEqual([null, null, made.digest]);
    expect((await gate.sign('team/app', made.digest)).status).toBe(201);
    expect(await behind(gate, 'a', 'b')).toEqual([made.digest, made.digest]);
  });

  it('that cannot be judged is 503 and gives nothing', async () => {
    const { gate, made } = await signed('push: reject');
    const other = await uploaded(gate, 'unknown\n');
    gate.fault((request, response) => {
      const hit = request.url?.endsWith('.sig') === true;
      if (hit) answerError(response, 500, 'UNKNOWN', 'trouble');
      return hit;
    });
    expect((await push(gate, other, tags('a', 'b'))).status).toBe(503);
    gate.fault(null);
    expect(await behind(gate, 'a', 'b', other.digest)).toEqual([null, null, null]);
    expect(made.digest).not.toBe(other.digest);
  });

  it.each([
    ['answers 500', 500, 503],
    ['limits the rate', 429, 503],
    ['does not let the tag be moved', 400, 400],
  ])(
    'says which are given where upstream %s, and completes it when pushed again',
    async (_, theirs, ours) => {
      const { gate, made } = await signed('push: reject');
      gate.fault((request, response) => {
        const hit = request.method === 'PUT' && request.url?.endsWith('/b') === true;
        if (hit) answerError(response, theirs, 'UNKNOWN', 'not this one');
        return hit;
      });
      const answer = await push(gate, made, tags('a', 'b', 'c'));
      expect([answer.status, answer.headers['oci-tag']]).toEqual([ours, undefined]);
      expect(answer.headers['retry-after'] !== undefined).toBe(ours === 503);
      expect(answer.text).toContain('1 of 3 tags done, b and what follows is not');
      expect(await behind(gate, 'a', 'b', 'c')).toEqual([made.digest, null, null]);
      gate.fault(null);
      expect((await push(gate, made, tags('a', 'b', 'c'))).headers['oci-tag']).toBe('a, b, c');
    },
  );

  it('that upstream does not store gives no tag', async () => {
    const gate = await attacked({ policy: 'push: allow' });
    const made = contentImage('no blobs\n');
    const answer = await push(gate, made, tags('a', 'b'));
    expect([answer.status, answer.code]).toEqual([400, 'MANIFEST_BLOB_UNKNOWN']);
    expect(await behind(gate, 'a', 'b')).toEqual([null, null]);
  });

  it('at the same time as others leaves each tag with one whole image', async () => {
    const { gate, made } = await signed('push: reject');
    const other = await uploaded(gate, 'other\n');
    expect((await push(gate, other, '')).status).toBe(201);
    expect((await gate.sign('team/app', other.digest)).status).toBe(201);
    const answers = await Promise.all(
      Array.from({ length: 8 }, (_, n) =>
        push(gate, n % 2 === 0 ? made : other, n % 3 === 0 ? tags('a', 'b') : tags('b', 'a')),
      ),
    );
    expect(answers.map((one) => one.status)).toEqual(Array.from({ length: 8 }, () => 201));
    for (const digest of await behind(gate, 'a', 'b'))
      expect([made.digest, other.digest]).toContain(digest);
  });
});
