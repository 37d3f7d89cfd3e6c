import { readdir, readFile } from 'node:fs/promises';
import type { Result } from '../lib/result.ts';
import { ok, refuse } from '../lib/result.ts';
import type { Digest } from '../oci/digest.ts';
import { shortDigest } from '../oci/digest.ts';
import type { Descriptor, Manifest } from '../oci/manifest.ts';
import { parseManifest } from '../oci/manifest.ts';
import type { BlobStore } from './blobs.ts';
import type { ContentStore } from './content.ts';
import type { DurableFiles } from './durable.ts';
import { ifPresent } from './durable.ts';
import type { Layout } from './layout.ts';
import { KeyedLock } from './lock.ts';
import type { ReferrerStore } from './referrers.ts';
import { referrerDescriptor } from './referrers.ts';
import type { TagStore } from './tags.ts';

/** A manifest as it was pushed: exact bytes and the type it was pushed as. */
export interface StoredManifest {
  readonly digest: Digest;
  readonly mediaType: string;
  readonly bytes: Buffer;
}

/** A manifest to store: the parsed form of exactly these bytes, and their digest. */
export interface NewManifest {
  readonly manifest: Manifest;
  readonly bytes: Buffer;
  readonly digest: Digest;
  readonly tags: readonly string[];
}

interface Parts {
  readonly files: DurableFiles;
  readonly layout: Layout;
  readonly content: ContentStore;
  readonly blobs: BlobStore;
  readonly tags: TagStore;
  readonly referrers: ReferrerStore;
}

/**
 * The manifests of each repository, with the tags that name them. Changes to one repository happen one
 * after the other, so that a tag is never given to a manifest that is being deleted.
 */
export class ManifestStore {
  readonly #parts: Parts;
  readonly #lock = new KeyedLock();

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** The manifest that a tag or a digest names in this repository, or undefined. */
  async get(path: string, reference: Digest | string): Promise<StoredManifest | undefined> {
    const digest = isDigestReference(reference)
      ? reference
      : await this.#parts.tags.get(path, reference);
    if (digest === undefined) return undefined;
    const file = this.#parts.layout.manifest(path, digest);
    const mediaType = await ifPresent(readFile(file, 'utf8'));
    if (mediaType === undefined) return undefined;
    const bytes = await this.#parts.content.read(digest);
    return bytes === undefined ? undefined : { digest, mediaType, bytes };
  }

  /** True where the repository has ever had a manifest. */
  async hasRepository(path: string): Promise<boolean> {
    return (await ifPresent(readdir(this.#parts.layout.manifests(path)))) !== undefined;
  }

  /**
   * Stores the manifest and gives it the tags; when it returns, all is on disk. Refuses an image whose
   * config or layers the repository lacks or has in another size. Children of an index and subjects may
   * be missing: image-spec allows sparse indexes, distribution-spec a subject that comes later.
   */
  async put(path: string, entry: NewManifest): Promise<Result<void>> {
    const complete = await this.#checkBlobs(path, entry.manifest);
    if (!complete.ok) return complete;
    const { files, layout, content, tags, referrers } = this.#parts;
    const { manifest, digest, bytes } = entry;
    await content.write(digest, bytes);
    return this.#lock.run(path, async () => {
      // What a later step relies on is durable before it: bytes, referrer entry, manifest, then tags.
      if (manifest.subject !== undefined) {
        const descriptor = referrerDescriptor(manifest, digest, bytes.length);
        await referrers.add(path, manifest.subject.digest, descriptor);
      }
      await files.write(layout.manifest(path, digest), manifest.mediaType);
      for (const tag of entry.tags) await tags.set(path, tag, digest);
      return ok(undefined);
    });
  }

  /** Removes a tag; false where there was none. The manifest stays. */
  async removeTag(path: string, tag: string): Promise<boolean> {
    return this.#lock.run(path, async () => this.#parts.tags.remove(path, tag));
  }

  /** Removes a manifest, the tags that name it and its entry as a referrer; false where it was not there. */
  async remove(path: string, digest: Digest): Promise<boolean> {
    const { files, layout, tags, referrers } = this.#parts;
    return this.#lock.run(path, async () => {
      const stored = await this.get(path, digest);
      // Tags first: one that outlived its manifest would come back to life with the next push of it.
      for (const tag of await tags.list(path)) {
        if ((await tags.get(path, tag)) === digest) await tags.remove(path, tag);
      }
      const removed = await files.remove(layout.manifest(path, digest));
      const parsed = stored === undefined ? undefined : parseManifest(stored.bytes);
      if (parsed?.ok === true && parsed.value.subject !== undefined)
        await referrers.remove(path, parsed.value.subject.digest, digest);
      return removed;
    });
  }

  async #checkBlobs(path: string, manifest: Manifest): Promise<Result<void>> {
    if (manifest.kind === 'index') return ok(undefined);
    const layers = manifest.layers.filter((layer) => !isForeign(layer));
    for (const descriptor of [manifest.config, ...layers]) {
      const size = await this.#parts.blobs.size(path, descriptor.digest);
      const short = shortDigest(descriptor.digest);
      if (size === undefined)
        return refuse('MANIFEST_BLOB_UNKNOWN', `blob ${short} is not in ${path}; upload it first`);
      if (size !== descriptor.size)
        return refuse(
          'SIZE_INVALID',
          `expected blob ${short} to have ${descriptor.size} bytes, found ${size}`,
        );
    }
    return ok(undefined);
  }
}

/** Layers that are by their type not in the registry (image-spec "Non-Distributable Layers", Docker's foreign layers). */
function isForeign(layer: Descriptor): boolean {
  return /^application\/vnd\.(?:oci\.image\.layer\.nondistributable\.v1\.tar|docker\.image\.rootfs\.foreign\.diff\.tar)/.test(
    layer.mediaType,
  );
}

/** A reference with a colon is a digest (the router let no other through), any other is a tag. */
function isDigestReference(reference: Digest | string): reference is Digest {
  return reference.includes(':');
}
