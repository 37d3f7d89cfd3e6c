import { describe, expect, it } from 'vitest';
import { LIMITS } from '../../../src/lib/limits.ts';
import type { JsonObject } from '../../../src/lib/json.ts';
import type { Digest } from '../../../src/oci/digest.ts';
import { MEDIA } from '../../../src/oci/media-types.ts';
import { fallbackTag } from '../../../src/oci/referrers.ts';
import type { Attacked } from '../../support/attacked.ts';
import { attackedGates } from '../../support/attacked.ts';
import { buildImage, pushImage } from '../../support/image.ts';
import {
  BUNDLE,
  buildBundle,
  entryOf,
  fallbackIndex,
  pushFallback,
  pushReferrer,
} from '../../support/referrer.ts';
import { testSigner } from '../../support/signer.ts';
import { tarLayer } from '../../support/tar.ts';
import { manifestAt, statusOf, withoutReferrersApi } from '../../support/team-app.ts';

const SIGNATURE = 'dev.cosignproject.cosign/signature';
const HUGE = 'x'.repeat(LIMITS.manifestBytes - 3000);

interface Layer {
  readonly mediaType: string;
  readonly digest: Digest;
  readonly size: number;
  readonly annotations: Readonly<Record<string, string>>;
}
interface SignatureManifest {
  readonly config: JsonObject;
  readonly layers: readonly Layer[];
}

/** An image of its own for each test, pushed by digest. */
async function unsigned(gate: Attacked, content: string): Promise<Digest> {
  const made = buildImage({ layers: [tarLayer({ content })] });
  await pushImage(gate.url, 'team/app', made);
  return made.digest;
}

async function signaturesOf(gate: Attacked, digest: Digest): Promise<SignatureManifest> {
  const { text } = await gate.call('GET', manifestAt(`${digest.replace(':', '-')}.sig`));
  return JSON.parse(text) as SignatureManifest;
}

/** A gate with an image that its signer has signed, and the signature's manifest as it stands. */
async function signed(attacked: ReturnType<typeof attackedGates>) {
  const gate = await attacked({ policy: 'push: allow' });
  const digest = await unsigned(gate, 'signed\n');
  await gate.sign('team/app', digest);
  return { gate, digest, ...(await signaturesOf(gate, digest)) };
}

function putSignatures(gate: Attacked, digest: Digest, manifest: object) {
  return gate.call('PUT', manifestAt(`${digest.replace(':', '-')}.sig`), {
    headers: { 'content-type': MEDIA.ociManifest },
    body: Buffer.from(
      JSON.stringify({ schemaVersion: 2, mediaType: MEDIA.ociManifest, ...manifest }),
    ),
  });
}

describe("somebody else's signature", () => {
  const attacked = attackedGates();

  it('is not taken away by pushing it again with another size', async () => {
    const { gate, digest, config, layers } = await signed(attacked);
    const [good] = layers as readonly [Layer];
    const junk = { ...good, annotations: { [SIGNATURE]: 'anVuaw==' } };
    const put = await putSignatures(gate, digest, { config, layers: [{ ...good, size: 1 }, junk] });
    expect(put.status).toBe(400);
    expect(await statusOf(gate, digest)).toBe(200);
  });

  it('is not pushed out of sight by one piece of junk that is listed many times (T-60)', async () => {
    const { gate, digest, config, layers } = await signed(attacked);
    const [good] = layers as readonly [Layer];
    const junk = { ...good, annotations: { [SIGNATURE]: 'anVuaw==' } };
    const many = Array.from({ length: 900 }, () => junk);
    expect((await putSignatures(gate, digest, { config, layers: [...many, good] })).status).toBe(
      201,
    );
    expect(await statusOf(gate, digest)).toBe(200);
    expect((await signaturesOf(gate, digest)).layers).toHaveLength(2);
  });

  it('keeps what its signer wrote beside it', async () => {
    const { gate, digest, config, layers } = await signed(attacked);
    const [plain] = layers as readonly [Layer];
    const full = {
      ...plain,
      annotations: { ...plain.annotations, 'dev.sigstore.cosign/bundle': '{}' },
    };
    await putSignatures(gate, digest, { config, layers: [full] });
    const bare = { ...plain, annotations: { ...plain.annotations } };
    expect((await putSignatures(gate, digest, { config, layers: [bare] })).status).toBe(201);
    expect((await signaturesOf(gate, digest)).layers).toContainEqual(full);
    expect(await statusOf(gate, digest)).toBe(200);
  });

  it.each([
    [
      'beside a signature',
      (layer: Layer) => ({ ...layer, annotations: { ...layer.annotations, HUGE } }),
      {},
    ],
    ['beside all of them', (layer: Layer) => layer, { annotations: { HUGE } }],
  ])('finds room, whatever is pushed %s (T-59)', async (_, spoil, beside) => {
    const { gate, digest, config, layers } = await signed(attacked);
    const [good] = layers as readonly [Layer];
    const loud = spoil({ ...good, annotations: { [SIGNATURE]: 'anVuaw==' } });
    const put = await putSignatures(gate, digest, { config, layers: [loud], ...beside });
    expect(put.status).toBe(400);
    expect((await gate.sign('team/app', digest)).status).toBe(201);
    expect(await statusOf(gate, digest)).toBe(200);
  });
});

describe('a signature tag', () => {
  const attacked = attackedGates();

  it('is checked once, and served from then on as what it is (T-59)', async () => {
    const gate = await attacked({ policy: 'push: allow' });
    const digest = await unsigned(gate, 'signed\n');
    await gate.signBehind('team/app', digest);
    const tag = manifestAt(`${digest.replace(':', '-')}.sig`);
    const blobs = async (): Promise<number> => {
      gate.asked();
      expect((await gate.call('HEAD', tag)).status).toBe(200);
      return gate.asked().filter((line) => line.includes('/blobs/')).length;
    };
    // Its config and its one payload.
    expect(await blobs()).toBe(2);
    expect(await blobs()).toBe(0);
    await gate.restart();
    expect(await blobs()).toBe(0);
  });
});

describe("somebody else's entry in a fallback index", () => {
  const attacked = attackedGates();

  async function prepared() {
    const gate = await attacked({ policy: 'push: allow' });
    withoutReferrersApi(gate);
    const digest = await unsigned(gate, 'signed\n');
    const good = await buildBundle(digest, gate.signer, `${gate.host}/team/app`);
    await pushReferrer(gate, 'team/app', good);
    return { gate, digest, good };
  }
  const lies: readonly JsonObject[] = [
    { artifactType: 'application/spdx+json' },
    { annotations: { 'dev.sigstore.bundle.predicateType': 'https://spdx.dev/Document' } },
  ];

  it.each(lies)('is not hidden by listing it again with %j', async (lie) => {
    const { gate, digest, good } = await prepared();
    const honest = { ...entryOf(good), artifactType: MEDIA.ociEmpty };
    await pushFallback(gate, 'team/app', digest, fallbackIndex([honest]));
    const lying = fallbackIndex([{ ...honest, ...lie }]);
    expect((await pushFallback(gate, 'team/app', digest, lying)).status).toBe(201);
    const { text } = await gate.call('GET', manifestAt(fallbackTag(digest)));
    expect((JSON.parse(text) as { manifests: unknown[] }).manifests).toEqual([honest]);
    expect(await statusOf(gate, digest)).toBe(200);
  });

  it('is not hidden by who lists it first, as something else', async () => {
    const { gate, digest, good } = await prepared();
    const lying = fallbackIndex([{ ...entryOf(good), ...lies[0] }]);
    expect((await pushFallback(gate, 'team/app', digest, lying)).status).toBe(201);
    const { text } = await gate.call('GET', manifestAt(fallbackTag(digest)));
    const { manifests } = JSON.parse(text) as { manifests: readonly JsonObject[] };
    expect(manifests).toMatchObject([{ digest: good.digest, artifactType: BUNDLE }]);
    expect(await statusOf(gate, digest)).toBe(200);
  });

  it.each(lies)('is not hidden by %j and more junk than is looked at (T-60)', async (lie) => {
    const { gate, digest, good } = await prepared();
    const stranger = testSigner();
    const junk: JsonObject[] = [];
    for (let n = 0; n < LIMITS.signatures; n++) {
      const one = await buildBundle(digest, stranger, `${gate.host}/team/junk${n}`);
      await pushReferrer(gate, 'team/app', one);
      junk.push({ ...entryOf(one), artifactType: BUNDLE });
    }
    const lying = fallbackIndex([...junk, { ...entryOf(good), ...lie }]);
    expect((await pushFallback(gate, 'team/app', digest, lying)).status).toBe(201);
    expect(await statusOf(gate, digest)).toBe(200);
  });

  it.each([
    ['in an entry', (entry: JsonObject) => ({ ...entry, annotations: { HUGE } }), {}],
    ['beside the entries', (entry: JsonObject) => entry, { annotations: { HUGE } }],
  ])('finds room, whatever is pushed %s (T-59)', async (_, spoil, beside) => {
    const { gate, digest, good } = await prepared();
    const junk = await buildBundle(digest, testSigner(), `${gate.host}/team/app`);
    await pushReferrer(gate, 'team/app', junk);
    const index = JSON.parse(fallbackIndex([spoil(entryOf(junk))]).toString()) as object;
    const loud = Buffer.from(JSON.stringify({ ...index, ...beside }));
    expect((await pushFallback(gate, 'team/app', digest, loud)).status).toBe(400);
    const honest = fallbackIndex([entryOf(junk), entryOf(good)]);
    expect((await pushFallback(gate, 'team/app', digest, honest)).status).toBe(201);
    expect(await statusOf(gate, digest)).toBe(200);
  });
});
