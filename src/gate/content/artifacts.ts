import { LRUCache } from 'lru-cache';
import type { Result } from '../../lib/result.ts';
import { Mutex } from '../../lib/single-flight.ts';
import type { Digest } from '../../oci/digest.ts';
import { parseManifest } from '../../oci/manifest.ts';
import type { Repository } from '../../oci/reference.ts';
import type { ArtifactRecord, Store } from '../../store/store.ts';
import type { EvidenceTag } from '../../trust/evidence-tag.ts';
import { evidenceTag } from '../../trust/evidence-tag.ts';
import type { EvidenceSource, SignatureFormat } from '../../trust/format.ts';

/** From how many bytes on artifacts wait for a lane to be read in, and how many lanes there are. */
const LARGE = 1024 * 1024;
const LANES = 4;

/**
 * Signature artifacts: what may always be pushed and read, and never counts as an image. They are
 * told by their tag and by what they are, checked as the claimed type for the named subject. What was
 * checked once is kept in the store, so that reads by digest of the same thing work after a restart.
 */
export class Artifacts {
  readonly #formats: readonly SignatureFormat[];
  readonly #store: Store;
  readonly #known = new LRUCache<string, { readonly artifact: ArtifactRecord | null }>({
    max: 20_000,
  });

  readonly #kept = new LRUCache<string, true>({ max: 10_000 });
  readonly #large = new Mutex();
  #turn = 0;
  /** Manifests that look like referrers and were lately found to be none; what they lacked may come. */
  readonly #refused = new LRUCache<string, true>({ max: 10_000, ttl: 60_000 });

  constructor(formats: readonly SignatureFormat[], store: Store) {
    this.#formats = formats;
    this.#store = store;
  }

  /** What an artifact tag speaks for; `null` for every other tag. */
  tagged(tag: string): EvidenceTag | null {
    return evidenceTag(tag, this.#formats);
  }

  /** What a digest of this repository was checked to be, or `null`. Throws STORE_UNAVAILABLE. */
  async known(repository: Repository, digest: Digest): Promise<ArtifactRecord | null> {
    const key = keyOf(repository, digest);
    const cached = this.#known.get(key);
    if (cached !== undefined) return cached.artifact;
    const artifact = await this.#store.artifact(repository, digest);
    // Unless it was checked while the store was asked.
    if (!this.#known.has(key)) this.#known.set(key, { artifact });
    return artifact;
  }

  /** Remembers, durably, what a digest was checked to be. */
  async remember(repository: Repository, digest: Digest, artifact: ArtifactRecord): Promise<void> {
    const before = await this.known(repository, digest);
    const only = artifact.only && before?.only !== false;
    if (before?.kind === artifact.kind && before.name === artifact.name && before.only === only)
      return;
    await this.#store.commit([{ kind: 'artifact', repository, digest, artifact }]);
    this.#known.set(keyOf(repository, digest), { artifact: { ...artifact, only } });
  }

  /** Remembers what stands under an artifact tag; an index is nothing else unless it came here as something else. */
  async notice(
    repository: Repository,
    digest: Digest,
    artifact: Pick<ArtifactRecord, 'kind' | 'name'>,
  ): Promise<void> {
    if ((await this.known(repository, digest)) !== null) return;
    const only =
      artifact.kind !== 'index' || (await this.#store.pushedAt(repository, digest)) === null;
    await this.remember(repository, digest, { ...artifact, only });
  }

  /** Remembers that what may be an artifact was given an ordinary tag: from now on it is an image or index as well. */
  async alsoImage(repository: Repository, digest: Digest): Promise<void> {
    const known = await this.known(repository, digest);
    if (known !== null) await this.remember(repository, digest, { ...known, only: false });
  }

  /** Notes that a client has replaced a list of referrers which the tag serves all the same, since the union is no other. */
  keep(repository: Repository, digest: Digest): void {
    this.#kept.set(keyOf(repository, digest), true);
  }

  /** True, once, for a list that {@link keep} noted: its client may want to delete what it believes replaced. */
  takeKept(repository: Repository, digest: Digest): boolean {
    return this.#kept.delete(keyOf(repository, digest));
  }

  /** Notes that what looks like a referrer is none: to read its megabytes again for everybody who asks would be a lever (T-59). */
  refuse(repository: Repository, digest: Digest): void {
    this.#refused.set(keyOf(repository, digest), true);
  }

  /** True for a while after {@link refuse}. */
  wasRefused(repository: Repository, digest: Digest): boolean {
    return this.#refused.has(keyOf(repository, digest));
  }

  /** Forgets a digest: it was deleted. */
  async forget(repository: Repository, digest: Digest): Promise<void> {
    if ((await this.known(repository, digest)) === null) return;
    await this.#store.commit([{ kind: 'artifact-gone', repository, digest }]);
    this.#known.set(keyOf(repository, digest), { artifact: null });
  }

  /** Checks bytes that claim to be the signatures of this tag (ARTIFACT_INVALID otherwise). */
  async checkSignatures(
    tag: string,
    format: SignatureFormat,
    manifest: { readonly bytes: Uint8Array; readonly mediaType: string },
    source: EvidenceSource,
  ): Promise<Result<null>> {
    const parsed = parseManifest(manifest.bytes, manifest.mediaType);
    if (!parsed.ok) return parsed;
    const checked = (): Promise<Result<null>> => format.checkArtifact(tag, parsed.value, source);
    if (parsed.value.kind === 'index') return checked();
    const bytes = parsed.value.layers.reduce((sum, layer) => sum + layer.size, 0);
    // Many of these at once would be a lever on memory: the large ones take turns (T-59).
    return bytes < LARGE ? checked() : this.#large.run(String(this.#turn++ % LANES), checked);
  }
}

const keyOf = (repository: string, digest: string): string => `${repository}\n${digest}`;
