import { decodeUtf8 } from '../../lib/bytes.ts';
import { LIMITS } from '../../lib/limits.ts';
import type { Result } from '../../lib/result.ts';
import { ok, refuse } from '../../lib/result.ts';
import { shortDigest } from '../../oci/digest.ts';
import type { Descriptor, ImageManifest } from '../../oci/manifest.ts';
import type { MergedArtifact, StoredArtifact } from '../format.ts';
import { keepTrustedFirst } from '../keep-trusted.ts';
import {
  appendLayers,
  firstManifest,
  layerTexts,
  parseSignatureManifest,
  withLayers,
} from './manifest.ts';
import { SIGNATURE_ANNOTATION } from './names.ts';

interface Entry {
  readonly layer: Descriptor;
  /** The descriptor as it was written. */
  readonly text: string;
}

/**
 * The union of what stands under a signature tag and what is pushed over it. Signers read, append and
 * write without a lock, so of two at once the second would silently drop the first's signature, which
 * was answered with 201. Each entry proves itself, so the union trusts nobody: it keeps the stored
 * text and adds the pushed layers that it lacks, every one byte-identical; whoever pushes a foreign
 * entry again in other words takes nothing from it. What is stored but no signature manifest is simply
 * overwritten, and of its entries what is no signature. More than readers look at are cut, what counts first: who fills a tag with junk keeps
 * nobody from signing. Refuses what would leave no room for the entries of others (T-59).
 */
export async function mergeCosign(
  stored: StoredArtifact | null,
  pushed: StoredArtifact,
  signerOf: (one: StoredArtifact) => Promise<string | null>,
): Promise<Result<MergedArtifact>> {
  const fresh = readEntries(pushed);
  if (!fresh.ok) return fresh;
  const large = excessOf(fresh.value);
  if (large !== null) return refuse('ARTIFACT_INVALID', large);
  const old = stored === null ? null : readEntries(stored);
  const before = old?.ok === true ? old.value : null;
  const [type] = fresh.value.entries.map(({ layer }) => layer.mediaType);
  // What came round the gate was not checked: what is no signature is not written again under its name.
  const isLike = ({ layer }: Entry): boolean => layer.mediaType === type && !layer.urls;
  const standing = firstOfEach(
    (before?.entries ?? []).filter((entry) => isLike(entry) && fits(entry)),
    identity,
  );
  const arriving = firstOfEach(fresh.value.entries, identity);
  const added = [...arriving].filter(([key]) => !standing.has(key)).map(([, entry]) => entry);
  const all = [...standing.values(), ...added];
  if (all.length > LIMITS.signatures) {
    // The same signature in other words is still one.
    const distinct = [...firstOfEach(all, signatureOf).values()];
    const best = await keepTrustedFirst(distinct, LIMITS.signatures, ({ layer }: Entry) =>
      signerOf({ bytes: firstManifest(layer).bytes, mediaType: pushed.mediaType }),
    );
    return ok({ kind: 'union', ...withLayers(pushed.bytes, best) });
  }
  // Readers look at the first entries, those that stand there twice included.
  const isClean = fresh.value.entries.length === arriving.size;
  if (before === null && isClean) return ok({ kind: 'pushed' });
  const kept =
    before !== null && excessOf(before) === null && before.entries.length === standing.size;
  if (kept && added.length === 0) return ok({ kind: 'stored' });
  // Whoever appended to what is stored wrote the union already.
  if (isClean && [...standing.keys()].every((key) => arriving.has(key)))
    return ok({ kind: 'pushed' });
  return kept && stored !== null
    ? ok({ kind: 'union', ...appendLayers(stored.bytes, before.manifest, added) })
    : ok({ kind: 'union', ...withLayers(pushed.bytes, all) });
}

/** The entries of a signature manifest, as it lists them. */
interface Listed {
  readonly manifest: ImageManifest;
  readonly entries: readonly Entry[];
  /** Bytes of all but the entries. */
  readonly beside: number;
}

function readEntries(artifact: StoredArtifact): Result<Listed> {
  const parsed = parseSignatureManifest(artifact.bytes, artifact.mediaType);
  if (!parsed.ok) return parsed;
  const texts = layerTexts(decodeUtf8(artifact.bytes) ?? '');
  const entries = parsed.value.layers.map((layer, at) => ({
    layer,
    text: texts[at] ?? JSON.stringify(layer),
  }));
  const listed = entries.reduce((sum, { text }) => sum + Buffer.byteLength(text), 0);
  return ok({ manifest: parsed.value, entries, beside: artifact.bytes.byteLength - listed });
}

const fits = ({ text }: Entry): boolean => Buffer.byteLength(text) <= LIMITS.signatureEntryBytes;

/** What of a manifest takes the room that others need, since all share one manifest; `null`: nothing. */
function excessOf({ entries, beside }: Listed): string | null {
  if (beside > LIMITS.evidenceBesideBytes)
    return `expected at most ${LIMITS.evidenceBesideBytes} bytes beside the signatures, found ${beside}`;
  const large = entries.find((entry) => !fits(entry));
  return large === undefined
    ? null
    : `expected at most ${LIMITS.signatureEntryBytes} bytes in the entry of signature ${shortDigest(large.layer.digest)}, found ${Buffer.byteLength(large.text)}`;
}

/** The first of each key, in their order. */
function firstOfEach(
  entries: readonly Entry[],
  keyOf: (entry: Entry) => string,
): ReadonlyMap<string, Entry> {
  const first = new Map<string, Entry>();
  for (const entry of entries) {
    const key = keyOf(entry);
    if (!first.has(key)) first.set(key, entry);
  }
  return first;
}

/** All that an entry says, in whatever order its members are written. */
function identity({ text }: Entry): string {
  return JSON.stringify(JSON.parse(text), sortMembers);
}

function sortMembers(_: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

/** What was signed, and the signature over it. */
function signatureOf({ layer }: Entry): string {
  return `${layer.digest} ${layer.annotations?.[SIGNATURE_ANNOTATION] ?? ''}`;
}
