import { setTimeout as sleep } from 'node:timers/promises';
import type { Signer } from '../../keys/key.ts';
import { verifySignature } from '../../keys/verify.ts';
import { decodeUtf8 } from '../../lib/bytes.ts';
import { codeOf, CountersignError } from '../../lib/errors.ts';
import { LIMITS } from '../../lib/limits.ts';
import { mapParallel } from '../../lib/parallel.ts';
import type { Clock } from '../../lib/time.ts';
import { digestOf } from '../../oci/digest.ts';
import type { Descriptor, ImageManifest } from '../../oci/manifest.ts';
import { MEDIA } from '../../oci/media-types.ts';
import type { EvidenceSink, EvidenceSource, SignRequest } from '../format.ts';
import { readLayer } from './evidence.ts';
import {
  appendLayer,
  firstManifest,
  layerTexts,
  parseSignatureManifest,
  signatureLayer,
  withLayers,
} from './manifest.ts';
import { signatureTag, SIGNATURE_ANNOTATION } from './names.ts';
import type { Payload } from './payload.ts';
import { makePayload, parsePayload, sameClaim } from './payload.ts';

const WIDTH = 8;
const ATTEMPTS = 32;
const LONGEST_PAUSE = 1000;
const CREATOR = 'countersign';

/**
 * Signs the claim and adds it to the image's signature manifest, unless this key has signed it
 * before. The tag is read, changed and written back, and no registry offers a condition on the
 * write: so it is read again right before the write and after it, and the whole is repeated when
 * somebody else's write came between. Throws ARTIFACT_INVALID where the tag holds something that is
 * no signature manifest, UPSTREAM_UNAVAILABLE when other signers kept winning.
 */
export async function signCosign(
  request: SignRequest,
  signer: Signer,
  sink: EvidenceSink,
  clock: Clock,
): Promise<{ readonly written: boolean }> {
  const tag = signatureTag(request.digest);
  if (tag === null) {
    throw new CountersignError(
      'DIGEST_INVALID',
      'cosign can sign sha256 digests only: the signature tag of a sha512 digest would be too long for a registry',
    );
  }
  const claim: Payload = {
    repository: request.repository,
    tag: request.tag,
    digest: request.digest,
    annotations: request.annotations,
    creator: CREATOR,
    timestamp: Math.floor(clock().getTime() / 1000),
  };
  // Before anything is read: annotations that cannot be signed are the caller's mistake.
  const payload = makePayload(claim);
  let current = await readTag(sink, tag);
  if (
    request.renew !== true &&
    current !== null &&
    (await hasClaim(current, claim, signer, sink))
  ) {
    return { written: false };
  }
  const layer = await signedLayer(payload, signer);
  await sink.putBlob(layer.digest, payload);
  let contended = false;
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    // A pause that grows and differs between signers, so that two of them do not keep step.
    if (attempt > 0) await sleep(Math.random() * Math.min(LONGEST_PAUSE, 25 * 2 ** attempt));
    const next = current === null ? firstManifest(layer) : extend(current, layer);
    await sink.putBlob(next.config.digest, next.config.bytes);
    const before = await readTag(sink, tag);
    if (sameBytes(before, current)) {
      await putTag(sink, tag, next.bytes, contended ? 6 : 2);
      current = await readTag(sink, tag);
    } else {
      current = before;
    }
    if (current !== null && holds(current.manifest, layer)) return { written: true };
    contended = true;
  }
  throw new CountersignError(
    'UPSTREAM_UNAVAILABLE',
    `the signature was lost to other signers ${ATTEMPTS} times; run the command again`,
  );
}

/**
 * Writes the tag, then lets `patience` times as long pass as that took: a writer that read just
 * before our write ends its own about one write later, and what it overwrote is seen only then.
 */
async function putTag(
  sink: EvidenceSink,
  tag: string,
  bytes: Uint8Array,
  patience: number,
): Promise<void> {
  const began = performance.now();
  try {
    await sink.putManifest(tag, bytes, MEDIA.ociManifest);
  } catch (error) {
    // docker-registry says that the digest is not that of the content when two writers meet.
    if (codeOf(error) !== 'DIGEST_INVALID') throw error;
  }
  await sleep(Math.min(LONGEST_PAUSE, patience * (performance.now() - began)));
}

interface Current {
  readonly bytes: Uint8Array;
  readonly manifest: ImageManifest;
}

async function readTag(source: EvidenceSource, tag: string): Promise<Current | null> {
  const found = await source.manifest(tag);
  if (found === null) return null;
  const manifest = parseSignatureManifest(found.bytes, found.mediaType);
  if (!manifest.ok) {
    throw new CountersignError(
      'ARTIFACT_INVALID',
      `tag ${tag} holds something that is no signature manifest and is not overwritten: ${manifest.refusal.message}; delete that tag and sign again`,
    );
  }
  return { bytes: found.bytes, manifest: manifest.value };
}

function extend(current: Current, layer: Descriptor): ReturnType<typeof appendLayer> {
  const { layers } = current.manifest;
  if (layers.length < LIMITS.signatures) return appendLayer(current.bytes, current.manifest, layer);
  // Verifiers look at the first ones only: who fills a tag with junk must keep nobody from signing (T-60).
  const texts = layerTexts(decodeUtf8(current.bytes) ?? '');
  const all = [layer, ...layers].map((one, at) => ({
    layer: one,
    text: texts[at - 1] ?? JSON.stringify(one),
  }));
  const next = withLayers(current.bytes, all);
  if (next.bytes.byteLength > LIMITS.manifestBytes) {
    throw new CountersignError(
      'TOO_LARGE',
      `expected room for one more signature on the image, found ${layers.length}; remove old ones from tag sha256-….sig`,
    );
  }
  return next;
}

async function hasClaim(
  current: Current,
  claim: Payload,
  signer: Signer,
  source: EvidenceSource,
): Promise<boolean> {
  const layers = current.manifest.layers.slice(0, LIMITS.signatures);
  const same = await mapParallel(layers, WIDTH, async (layer) => {
    const read = await readLayer(layer, source);
    // A foreign payload that cannot be read keeps nobody from signing: at worst a claim stands there twice.
    if ('unread' in read || !read.ok) return false;
    const { message, signature } = read.value;
    if (!verifySignature(signer.publicKey, message, signature)) return false;
    const parsed = parsePayload(message);
    return parsed.ok && sameClaim(parsed.value, claim);
  });
  return same.includes(true);
}

async function signedLayer(payload: Uint8Array, signer: Signer): Promise<Descriptor> {
  const signature = await signer.sign(payload);
  // A signer whose two halves do not belong together must not leave junk behind.
  if (!verifySignature(signer.publicKey, payload, signature)) {
    throw new CountersignError(
      'KEY_INVALID',
      'the signer made a signature that its own public key does not verify',
    );
  }
  return signatureLayer(payload, signature);
}

function holds(manifest: ImageManifest, layer: Descriptor): boolean {
  return manifest.layers.some(
    (other) =>
      other.digest === layer.digest &&
      other.annotations?.[SIGNATURE_ANNOTATION] === layer.annotations?.[SIGNATURE_ANNOTATION],
  );
}

function sameBytes(a: Current | null, b: Current | null): boolean {
  if (a === null || b === null) return a === b;
  return digestOf(a.bytes) === digestOf(b.bytes);
}
