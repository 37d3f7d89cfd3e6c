import { SingleFlight } from '../lib/single-flight.ts';
import type { Digest } from '../oci/digest.ts';
import { parseManifest } from '../oci/manifest.ts';
import type { Repository } from '../oci/reference.ts';
import { splitRepository } from '../oci/reference.ts';
import { CountersignError } from '../lib/errors.ts';
import type { Caller } from './caller.ts';
import type { Links } from './links.ts';
import type { ManifestCache } from './manifests.ts';
import type { GateRegistry } from './ports.ts';
import type { ManifestAnswer } from './upstream.ts';

/** Fetches manifests by digest: from the cache, or once from upstream for all who ask at the same time. */
export class ManifestFetcher {
  readonly #cache: ManifestCache;
  readonly #links: Links;
  readonly #flights = new SingleFlight<ManifestAnswer>();

  constructor(cache: ManifestCache, links: Links) {
    this.#cache = cache;
    this.#links = links;
  }

  /**
   * The manifest's hashed bytes; they are parsed as strictly as a push, so that nothing ambiguous
   * leaves the gate either, and its links are learned. `stale` allows an old copy while upstream is down.
   */
  async fetch(
    registry: GateRegistry,
    repository: Repository,
    digest: Digest,
    caller: Caller,
  ): Promise<ManifestAnswer> {
    const cached = this.#cache.get(repository, digest);
    if (cached !== undefined) return { kind: 'found', ...cached };
    try {
      return await this.#flights.run(
        `${repository}\n${digest}\n${caller.credentialKey}`,
        async () => {
          const answer = await registry.upstream.manifest(
            splitRepository(repository).path,
            digest,
            caller,
          );
          if (answer.kind !== 'found') {
            if (answer.kind === 'absent') this.#cache.delete(repository, digest);
            return answer;
          }
          const parsed = parseManifest(
            answer.bytes,
            answer.mediaType === '' ? undefined : answer.mediaType,
          );
          if (!parsed.ok) throw new CountersignError(parsed.refusal.code, parsed.refusal.message);
          await this.#links.learn(repository, digest, parsed.value);
          const found = { ...answer, mediaType: parsed.value.mediaType };
          this.#cache.set(repository, found);
          return found;
        },
      );
    } catch (error) {
      // Content under a digest does not change: an outage need not take away what is already here.
      const old = this.#cache.get(repository, digest, true);
      if (
        old !== undefined &&
        error instanceof CountersignError &&
        error.code === 'UPSTREAM_UNAVAILABLE'
      )
        return { kind: 'found', ...old };
      throw error;
    }
  }
}
