import { CountersignError } from '../../lib/errors.ts';
import { SharedFlight } from '../../lib/shared-flight.ts';
import type { Digest } from '../../oci/digest.ts';
import { parseManifest } from '../../oci/manifest.ts';
import type { Repository } from '../../oci/reference.ts';
import { splitRepository } from '../../oci/reference.ts';
import type { Caller } from '../access/caller.ts';
import type { GateRegistry } from '../ports.ts';
import type { ManifestAnswer } from '../upstream/upstream.ts';
import type { Links } from './links.ts';
import type { ManifestCache } from './manifests.ts';
import { readerOf } from './reader.ts';

/** Fetches manifests by digest: from the cache, or once from upstream for all who ask at the same time. */
export class ManifestFetcher {
  readonly #cache: ManifestCache;
  readonly #links: Links;
  readonly #flights = new SharedFlight<ManifestAnswer>((answer) => answer.kind === 'found');

  constructor(cache: ManifestCache, links: Links) {
    this.#cache = cache;
    this.#links = links;
  }

  /**
   * The manifest's hashed bytes; they are parsed as strictly as a push, so that nothing ambiguous
   * leaves the gate either, and its links are learned. While upstream is down, a copy that it was
   * known to have within `grace` ms (a minute at least) serves.
   */
  async fetch(
    registry: GateRegistry,
    repository: Repository,
    digest: Digest,
    caller: Caller,
    grace = 0,
  ): Promise<ManifestAnswer> {
    const cached = this.#cache.get(repository, digest);
    if (cached !== undefined) return { kind: 'found', ...cached };
    const epoch = this.#cache.epoch(repository, digest);
    try {
      return await this.#flights.run(
        `${repository}\n${digest}\n${epoch}`,
        readerOf(registry, caller),
        () => this.#fetchNow(registry, repository, digest, caller, epoch),
      );
    } catch (error) {
      // Content under a digest does not change: an outage need not take away what is already here.
      const old = this.#cache.get(repository, digest, grace);
      if (
        old !== undefined &&
        error instanceof CountersignError &&
        error.code === 'UPSTREAM_UNAVAILABLE'
      )
        return { kind: 'found', ...old };
      throw error;
    }
  }

  async #fetchNow(
    registry: GateRegistry,
    repository: Repository,
    digest: Digest,
    caller: Caller,
    epoch: number,
  ): Promise<ManifestAnswer> {
    const { path } = splitRepository(repository);
    const answer = await registry.upstream.manifest(path, digest, caller);
    if (answer.kind !== 'found') {
      // Where upstream hides from one caller what it shows another, the others ask again: no more.
      if (answer.kind === 'absent') this.#cache.delete(repository, digest);
      return answer;
    }
    const given = answer.mediaType === '' ? undefined : answer.mediaType;
    const parsed = parseManifest(answer.bytes, given);
    if (!parsed.ok) throw new CountersignError(parsed.refusal.code, parsed.refusal.message);
    await this.#links.learn(repository, digest, parsed.value);
    const { mediaType } = parsed.value;
    return { kind: 'found', ...this.#cache.set(repository, { ...answer, mediaType }, epoch) };
  }
}
