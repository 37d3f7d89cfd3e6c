import { LRUCache } from 'lru-cache';
import { Epochs } from '../../lib/epochs.ts';
import type { Clock } from '../../lib/time.ts';
import type { Digest } from '../../oci/digest.ts';
import type { Repository } from '../../oci/reference.ts';

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
/** Bytes of all manifests together, and what one takes besides its own bytes. */
const BYTES = 48 * 1024 * 1024;
const OVERHEAD = 1024;

/**
 * Manifests by repository and digest, never by digest alone: what one repository has, another may
 * not (T-53, T-54). Bounded by bytes.
 */
export class ManifestCache {
  readonly #entries = new LRUCache<string, CachedManifest>({
    maxSize: BYTES,
    sizeCalculation: (entry) => entry.bytes.byteLength + OVERHEAD,
  });
  readonly #epochs = new Epochs();
  readonly #now: Clock;

  constructor(now: Clock) {
    this.#now = now;
  }

  /** A manifest seen within the last minute, or within `age` ms where that is longer. */
  get(repository: Repository, digest: Digest, age = 0): CachedManifest | undefined {
    const entry = this.#entries.get(key(repository, digest));
    if (entry === undefined) return undefined;
    return this.#now().getTime() - entry.seenAt < Math.max(FRESH, age) ? entry : undefined;
  }

  /** To be taken before upstream is asked, and given to {@link set}: what was deleted meanwhile is not kept (T-53). */
  epoch(repository: Repository, digest: Digest): number {
    return this.#epochs.of(key(repository, digest));
  }

  /** Keeps a manifest, unless it was deleted since `epoch`. Returns what is kept, or would be. */
  set(
    repository: Repository,
    manifest: Omit<CachedManifest, 'seenAt'>,
    epoch?: number,
  ): CachedManifest {
    const name = key(repository, manifest.digest);
    // A copy of its own size: the bytes as they came may be a small part of a large buffer that they keep alive.
    const bytes = Buffer.allocUnsafeSlow(manifest.bytes.byteLength);
    bytes.set(manifest.bytes);
    const { mediaType, digest } = manifest;
    const entry = { bytes, mediaType, digest, seenAt: this.#now().getTime() };
    if (epoch === undefined || epoch === this.#epochs.of(name)) this.#entries.set(name, entry);
    return entry;
  }

  delete(repository: Repository, digest: Digest): void {
    const name = key(repository, digest);
    this.#epochs.next(name);
    this.#entries.delete(name);
  }
}

const key = (repository: string, digest: string): string => `${repository}\n${digest}`;
