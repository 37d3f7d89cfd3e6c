import { LIMITS } from '../../lib/limits.ts';
import { mapParallel } from '../../lib/parallel.ts';
import type { Result } from '../../lib/result.ts';
import { ok, refuse } from '../../lib/result.ts';
import type { Digest } from '../../oci/digest.ts';
import { shortDigest } from '../../oci/digest.ts';
import type { Manifest } from '../../oci/manifest.ts';
import { parseManifest } from '../../oci/manifest.ts';
import { splitRepository } from '../../oci/reference.ts';
import { keepTrustedFirst } from '../../trust/keep-trusted.ts';
import type { FallbackEntry, FallbackIndex } from '../../trust/referrers/fallback-index.ts';
import type { Gate } from '../gate.ts';
import { refusedToSay } from '../upstream/answer.ts';
import { evidenceSource } from '../verdict/evidence.ts';
import type { Pushed } from './give.ts';
import { signerOf } from './signer-of.ts';

/** Questions to upstream under way at a time while an index is joined. */
const WIDTH = 8;

/** An entry with the subject that its manifest names. */
export interface NewEntry {
  readonly entry: FallbackEntry;
  readonly subject: Digest;
}

/**
 * The entries that are not there yet. Each must be a manifest of the repository that names the tag's
 * subject as its own, so that the list never becomes a list of images; one that the repository does
 * not have was deleted by somebody else meanwhile, and is left out.
 */
export async function newEntries(
  gate: Gate,
  pushed: Pushed,
  own: FallbackIndex,
  stored: FallbackIndex | null,
  prefix: string,
): Promise<Result<readonly NewEntry[]>> {
  const { registry, repository, caller } = pushed;
  const fresh = [...own.entries.values()].filter(
    (entry) => stored?.entries.has(entry.descriptor.digest) !== true,
  );
  const checked = await mapParallel(
    fresh,
    WIDTH,
    async (entry): Promise<Result<NewEntry | null>> => {
      const { digest } = entry.descriptor;
      const answer = await gate.fetcher.fetch(registry, repository, digest, caller);
      if (answer.kind === 'relay') throw refusedToSay(answer, 'a referrer');
      if (answer.kind === 'absent') return ok(null);
      const parsed = parseManifest(answer.bytes, answer.mediaType);
      if (!parsed.ok) return parsed;
      const subject = parsed.value.subject?.digest;
      if (subject === undefined || !subject.startsWith(prefix)) {
        return refuse(
          'ARTIFACT_INVALID',
          `expected referrers of ${prefix.slice(0, 19)}, found ${shortDigest(digest)}, which does not name it as its subject`,
        );
      }
      return ok({ entry: honest(entry, parsed.value), subject });
    },
  );
  const entries: NewEntry[] = [];
  for (const one of checked) {
    if (!one.ok) return one;
    if (one.value !== null) entries.push(one.value);
  }
  return ok(entries);
}

/**
 * An entry as its client wrote it, unless it contradicts what the manifest says of itself: readers take
 * it by its word, so who lists a foreign signature first must not pass it off as something else.
 */
function honest(entry: FallbackEntry, manifest: Manifest): FallbackEntry {
  const { artifactType, annotations = {} } = entry.descriptor;
  const config = manifest.kind === 'image' ? manifest.config.mediaType : undefined;
  const own = manifest.annotations ?? {};
  const isTrue =
    (artifactType === undefined || [manifest.artifactType, config].includes(artifactType)) &&
    Object.entries(annotations).every(([name, value]) => (own[name] ?? value) === value);
  return isTrue ? entry : described(entry, manifest);
}

/** The entry with what distribution-spec asks it to say of the manifest: its type and annotations. */
function described(entry: FallbackEntry, manifest: Manifest): FallbackEntry {
  const config = manifest.kind === 'image' ? manifest.config.mediaType : undefined;
  const artifactType = manifest.artifactType ?? config;
  const { annotations } = manifest;
  const said = {
    ...(artifactType === undefined ? {} : { artifactType }),
    ...(annotations === undefined ? {} : { annotations }),
  };
  const { artifactType: _type, annotations: _annotations, ...descriptor } = entry.descriptor;
  const { artifactType: _t, annotations: _a, ...json } = entry.json;
  return { descriptor: { ...descriptor, ...said }, json: { ...json, ...said } };
}

/**
 * The entries that stay of those that stand there. One that the pushed list lacks was either deleted
 * by its writer, or written after that one had read: it is dropped only where its manifest is gone.
 */
export async function keptEntries(
  gate: Gate,
  pushed: Pushed,
  own: FallbackIndex,
  stored: FallbackIndex | null,
): Promise<readonly FallbackEntry[]> {
  const { registry, repository, caller } = pushed;
  const { path } = splitRepository(repository);
  const entries = [...(stored?.entries.values() ?? [])];
  const gone = await mapParallel(entries, WIDTH, async ({ descriptor: { digest } }) => {
    if (own.entries.has(digest)) return false;
    const answer = await registry.upstream.head(path, digest, caller);
    if (answer.kind === 'absent') gate.manifests.delete(repository, digest);
    return answer.kind === 'absent';
  });
  return entries.filter((_, at) => gone[at] !== true);
}

/**
 * The entries in the order in which they are listed: as they came while readers look at all of them,
 * else those first that an authority of the policy signed for `subject`, and no more than may be kept.
 * These say what they are (distribution-spec: the type of the manifest, which cosign does not write),
 * since readers look first at what calls itself a signature.
 */
export async function bestFirst(
  gate: Gate,
  pushed: Pushed,
  subject: Digest | null,
  entries: readonly FallbackEntry[],
): Promise<readonly FallbackEntry[]> {
  const { registry, repository, caller } = pushed;
  if (entries.length <= LIMITS.signatures) return entries;
  const source = evidenceSource(registry, repository, caller);
  const signer = subject === null ? null : signerOf(gate, pushed, subject, source);
  const trusted = new Set<Digest>();
  const best = await keepTrustedFirst(
    entries,
    LIMITS.fallbackEntries,
    async ({ descriptor }) => {
      const by = (await signer?.({ kind: 'referrer', descriptor })) ?? null;
      if (by !== null) trusted.add(descriptor.digest);
      return by;
    },
    LIMITS.signatures,
  );
  return Promise.all(
    best.map(async (entry) => {
      const { digest } = entry.descriptor;
      if (!trusted.has(digest)) return entry;
      const answer = await gate.fetcher.fetch(registry, repository, digest, caller);
      const parsed =
        answer.kind === 'found' ? parseManifest(answer.bytes, answer.mediaType) : undefined;
      return parsed?.ok === true ? described(entry, parsed.value) : entry;
    }),
  );
}
