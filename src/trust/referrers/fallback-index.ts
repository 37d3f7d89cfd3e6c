import type { JsonObject } from '../../lib/json.ts';
import { isArray, isObject, parseJson } from '../../lib/json.ts';
import { LIMITS } from '../../lib/limits.ts';
import type { Result } from '../../lib/result.ts';
import { ok, refuse } from '../../lib/result.ts';
import type { Digest } from '../../oci/digest.ts';
import { shortDigest } from '../../oci/digest.ts';
import type { Descriptor } from '../../oci/manifest.ts';
import { parseManifest } from '../../oci/manifest.ts';
import { kindOf, MEDIA } from '../../oci/media-types.ts';

/** One entry of a fallback index, with its JSON as it was written. */
export interface FallbackEntry {
  readonly descriptor: Descriptor;
  readonly json: JsonObject;
}

/** The index under a fallback tag: a list of manifests that claim to name the subject. */
export interface FallbackIndex {
  /** The document but for its entries. */
  readonly root: JsonObject;
  /** By digest; an entry that is there twice counts once. */
  readonly entries: ReadonlyMap<Digest, FallbackEntry>;
  /** How many it lists, those that are there twice included. */
  readonly length: number;
}

const invalid = (why: string): Result<never> => refuse('ARTIFACT_INVALID', why);

/**
 * Reads what stands under a fallback tag (distribution-spec, "Referrers Tag Schema"): an OCI index of
 * manifests without `urls`, `data` and a subject of its own. Clients write entries in different ways
 * (cosign gives each the artifactType of an empty config, oras the artifact's own), so nothing but
 * the digest of an entry is relied on. Refuses with ARTIFACT_INVALID or MANIFEST_INVALID.
 */
export function readFallbackIndex(bytes: Uint8Array, mediaType: string): Result<FallbackIndex> {
  const parsed = parseManifest(bytes, mediaType);
  if (!parsed.ok) return parsed;
  const index = parsed.value;
  if (index.kind !== 'index' || index.mediaType !== MEDIA.ociIndex)
    return invalid(`expected an index of referrers (${MEDIA.ociIndex}), found ${index.mediaType}`);
  if (index.subject !== undefined) return invalid('expected an index without a subject');
  const json = parseJson(bytes, { maxBytes: LIMITS.manifestBytes });
  if (!json.ok || !isObject(json.value) || !isArray(json.value['manifests']))
    return invalid('expected an index of referrers');
  const { manifests, ...root } = json.value;
  const entries = new Map<Digest, FallbackEntry>();
  for (const [at, descriptor] of index.manifests.entries()) {
    if (kindOf(descriptor.mediaType) === undefined)
      return invalid(`expected entries that are manifests, found ${descriptor.mediaType}`);
    if (descriptor.urls !== undefined)
      return invalid(`expected no urls in entry ${shortDigest(descriptor.digest)}`);
    const text = (manifests as readonly JsonObject[])[at];
    // containerd 2 takes a manifest from there and never asks the gate for it, which would refuse it.
    if (text?.['data'] !== undefined)
      return invalid(`expected no data in entry ${shortDigest(descriptor.digest)}`);
    if (text !== undefined && !entries.has(descriptor.digest))
      entries.set(descriptor.digest, { descriptor, json: text });
  }
  return ok({ root, entries, length: manifests.length });
}

/** What of a list takes the room that others need, since all share one index (T-59); `null`: nothing. */
export function excessOf({ root, entries }: FallbackIndex): string | null {
  const beside = bytesOf(root);
  if (beside > LIMITS.evidenceBesideBytes)
    return `expected at most ${LIMITS.evidenceBesideBytes} bytes beside the entries, found ${beside}`;
  const most = LIMITS.fallbackEntryBytes;
  const large = [...entries.values()].find(({ json }) => bytesOf(json) > most);
  return large === undefined
    ? null
    : `expected at most ${most} bytes in entry ${shortDigest(large.descriptor.digest)}, found ${bytesOf(large.json)}`;
}

const bytesOf = (json: JsonObject): number => Buffer.byteLength(JSON.stringify(json));

/** Writes an index of these entries, each as it was written before. */
export function writeFallbackIndex(root: JsonObject, entries: Iterable<FallbackEntry>): Uint8Array {
  const manifests = Array.from(entries, (entry) => entry.json);
  return Buffer.from(
    JSON.stringify({ schemaVersion: 2, mediaType: MEDIA.ociIndex, ...root, manifests }),
  );
}
