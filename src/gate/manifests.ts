import { LRUCache } from 'lru-cache';
import type { Clock } from '../lib/time.ts';
import type { Digest } from '../oci/digest.ts';
import type { Repository } from '../oci/reference.ts';

/** A manifest whose bytes were hashed here. */
export interface CachedManifest {
  readonly bytes: Uint8Array;
  readonly mediaType: string;
  readonly digest: Digest;
  /** When upstream was last known to have it, ms. */
  readonly seenAt: number;
}

/** How long a manifest is served without asking whether upstream still has it, ms. */
const FRESH = 60_000;

/**
 * Manifests by repository and digest, never by digest alone: what one repository has, another may
 * not (T-53, T-54). Bounded by bytes.
 */
export class ManifestCache {
  readonly #entries = new LRUCache<string, CachedManifest>({
    maxSize: 64 * 1024 * 1024,
    sizeCalculation: (entry) => entry.bytes.byteLength + 512,
  });
  readonly #now: Clock;

  constructor(now: Clock) {
    this.#now = now;
  }

  /** A manifest seen within the last minute, or however long ago with `stale`. */
  get(repository: Repository, digest: Digest, stale = false): CachedManifest | undefined {
    const entry = this.#entries.get(key(repository, digest));
    if (entry === undefined) return undefined;
    return stale || this.#now().getTime() - entry.seenAt < FRESH ? entry : undefined;
  }

  set(repository: Repository, manifest: Omit<CachedManifest, 'seenAt'>): void {
    this.#entries.set(key(repository, manifest.digest), {
      ...manifest,
      seenAt: this.#now().getTime(),
    });
  }

  delete(repository: Repository, digest: Digest): void {
    this.#entries.delete(key(repository, digest));
  }
}

const key = (repository: string, digest: string): string => `${repository}\n${digest}`;
