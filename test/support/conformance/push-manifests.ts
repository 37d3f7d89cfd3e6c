import { expect } from 'vitest';
import type { Digest } from '../../../src/oci/digest.ts';
import { digestOf } from '../../../src/oci/digest.ts';
import type { TestImage } from '../image.ts';
import { buildImage, buildIndex, pushImage } from '../image.ts';
import type { Called } from '../http-call.ts';
import type { Row, Target } from './target.ts';
import { noDigest } from './target.ts';

const put = (target: Target, reference: string, image: TestImage): Promise<Called> =>
  target.send('PUT', `manifests/${reference}`, {
    body: image.manifest,
    headers: { 'Content-Type': image.mediaType },
  });

/** Pushes all of an image but its manifest. */
async function parts(target: Target, image: TestImage): Promise<void> {
  const { url, repo } = target;
  await pushImage(url, repo, { ...buildIndex([]), blobs: image.blobs, children: image.children });
}

async function accepted(target: Target, image: TestImage, reference: string): Promise<Called> {
  await parts(target, image);
  const made = await put(target, reference, image);
  expect(made.status).toBe(201);
  const got = await target.follow('GET', made, '', { headers: { Accept: image.mediaType } });
  expect([got.status, got.body]).toEqual([200, image.manifest]);
  expect(got.headers['content-type']).toBe(image.mediaType);
  return made;
}

const missingSubject = () => ({
  digest: noDigest(),
  manifest: Buffer.alloc(123),
  mediaType: 'application/vnd.oci.image.manifest.v1+json',
});

const padded = (size: number): TestImage => {
  const bare = buildImage({ annotations: { pad: '' } }).manifest.length;
  return buildImage({ annotations: { pad: 'x'.repeat(size - bare) } });
};

/** An image whose first layer is by its type kept elsewhere. */
function foreignLayer(): TestImage {
  const image = buildImage();
  const text = image.manifest.toString().replace('"layers":[', `"layers":[${FOREIGN},`);
  const manifest = Buffer.from(text);
  return { ...image, manifest, digest: digestOf(manifest) };
}

const FOREIGN = JSON.stringify({
  mediaType: 'application/vnd.oci.image.layer.nondistributable.v1.tar+gzip',
  digest: `sha256:${'ab'.repeat(32)}`,
  size: 123_456,
  urls: ['https://store.example.com/layer'],
});

/** distribution-spec 1.1, "Pushing Manifests". */
export const PUSH_MANIFESTS: readonly Row[] = [
  {
    title: 'a manifest by tag is 201 with a Location to pull it from',
    run: async (target) => {
      await accepted(target, buildImage(), 'v1');
    },
  },
  {
    title: 'a manifest by digest is 201, and Docker-Content-Digest says that digest',
    run: async (target) => {
      const image = buildImage();
      const made = await accepted(target, image, image.digest);
      expect(made.headers['docker-content-digest']).toBe(image.digest);
    },
  },
  {
    title: 'a manifest that is not of the digest is 400',
    run: async (target) => {
      const image = buildImage();
      await parts(target, image);
      const wrong = noDigest();
      const answer = await put(target, wrong, image);
      expect([answer.status, answer.code]).toEqual([400, 'DIGEST_INVALID']);
      expect((await target.send('HEAD', `manifests/${wrong}`)).status).toBe(404);
    },
  },
  {
    title: 'a malformed digest is 400',
    run: async (target) => {
      const image = buildImage();
      await parts(target, image);
      expect((await put(target, 'sha256:baddigeststring', image)).status).toBe(400);
    },
  },
  {
    title: 'a manifest of almost 4 MiB is taken',
    run: async (target) => {
      await accepted(target, padded(4 * 1024 * 1024 - 1024), 'large');
    },
  },
  {
    title: 'a manifest over 4 MiB is 413',
    run: async (target) => {
      const image = padded(4 * 1024 * 1024 + 1);
      await parts(target, image);
      expect((await put(target, 'large', image)).status).toBe(413);
      expect((await target.send('HEAD', 'manifests/large')).status).toBe(404);
    },
  },
  {
    title: 'parameters of the Content-Type do not count',
    run: async (target) => {
      const image = buildImage();
      await parts(target, image);
      const answer = await target.send('PUT', 'manifests/v1', {
        body: image.manifest,
        headers: { 'Content-Type': `${image.mediaType}; charset=utf-8` },
      });
      expect(answer.status).toBe(201);
    },
  },
  {
    title: 'indexes, indexes of indexes and empty indexes are taken',
    run: async (target) => {
      const [a, b] = [buildImage(), buildImage({ config: { architecture: 'arm64' } })];
      await accepted(target, buildIndex([buildIndex([a, b]), buildIndex([b])]), 'nested');
      await accepted(target, buildIndex([]), 'empty');
    },
  },
  {
    title: 'an artifact without layers and an image with layers kept elsewhere are taken',
    run: async (target) => {
      await accepted(target, buildImage({ layers: [], artifactType: 'application/x.test' }), 'a');
      await accepted(target, foreignLayer(), 'b');
    },
  },
  {
    title: 'a subject is confirmed by OCI-Subject, also one that is not there yet',
    run: async (target) => {
      const image = buildImage();
      await pushImage(target.url, target.repo, image, 'v1');
      for (const subject of [image, missingSubject()]) {
        const referrer = buildImage({ layers: [], subject, artifactType: 'application/x.test' });
        const made = await accepted(target, referrer, referrer.digest);
        expect(made.headers['oci-subject']).toBe(subject.digest);
      }
    },
  },
  {
    title: 'sha512 names manifests too',
    run: async (target) => {
      const image = buildImage();
      const digest: Digest = digestOf(image.manifest, 'sha512');
      const made = await accepted(target, image, digest);
      expect(made.headers['docker-content-digest']).toBe(digest);
    },
  },
  {
    title: 'a tag that is pushed again names the new manifest, and the old one stays by digest',
    run: async (target) => {
      const [old, next] = [buildImage(), buildImage({ annotations: { n: '2' } })];
      await accepted(target, old, 'v1');
      await accepted(target, next, 'v1');
      const accept = { headers: { Accept: next.mediaType } };
      expect((await target.send('GET', 'manifests/v1', accept)).body).toEqual(next.manifest);
      expect((await target.send('GET', `manifests/${old.digest}`, accept)).status).toBe(200);
    },
  },
  {
    title: 'fields that nobody knows are kept, byte for byte, with all white space',
    run: async (target) => {
      const image = buildImage();
      const text = image.manifest.toString().replace('{', '{\n  "x-unknown" : [ 1.0, "\\u00e9" ],');
      const manifest = Buffer.from(`${text}\n`);
      await accepted(target, { ...image, manifest, digest: digestOf(manifest) }, 'odd');
    },
  },
  {
    title: 'a manifest without its blobs is taken, or refused with MANIFEST_BLOB_UNKNOWN',
    run: async (target) => {
      const image = buildImage({ annotations: { n: `${noDigest()}` }, config: { os: noDigest() } });
      const answer = await put(target, 'v1', image);
      if (answer.status === 201) return;
      expect([answer.status >= 400 && answer.status < 500, answer.code]).toEqual([
        true,
        'MANIFEST_BLOB_UNKNOWN',
      ]);
    },
  },
  {
    title: 'a manifest that is pushed again is there all the same',
    run: async (target) => {
      const image = buildImage();
      await accepted(target, image, 'v1');
      await accepted(target, image, 'v1');
      await accepted(target, image, image.digest);
    },
  },
  {
    title: 'tags in a push by digest are confirmed one by one by OCI-Tag, or not given',
    run: async (target) => {
      const image = buildImage();
      await parts(target, image);
      const answer = await put(target, `${image.digest}?tag=one&tag=two`, image);
      expect(answer.status).toBe(201);
      const said = String(answer.headers['oci-tag'] ?? '').split(/, */);
      const headers = { Accept: image.mediaType };
      for (const tag of ['one', 'two']) {
        const { status } = await target.send('HEAD', `manifests/${tag}`, { headers });
        expect([tag, status]).toEqual([tag, said.includes(tag) ? 200 : 404]);
      }
    },
  },
];
