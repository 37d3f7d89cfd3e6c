import { access, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Digest } from '../oci/digest.ts';
import { isDigest } from '../oci/digest.ts';
import type { Descriptor, Manifest } from '../oci/manifest.ts';
import { LIMITS } from '../lib/limits.ts';
import type { DurableFiles } from './durable.ts';
import { ifPresent } from './durable.ts';
import type { Layout } from './layout.ts';

/** Entries looked at for one page: who pushes thousands of referrers must not make each answer slow. */
const PAGE_ENTRIES = 1000;

/** A part of the list of one subject. */
export interface ReferrersPage {
  /** Descriptors as JSON texts, ready to be joined. */
  readonly descriptors: readonly string[];
  /** The last digest looked at, where there is more. */
  readonly next: Digest | undefined;
}

/** Which part of the list is asked for. */
export interface ReferrersQuery {
  readonly artifactType: string | undefined;
  /** Only what comes after this digest. */
  readonly last: Digest | undefined;
}

/**
 * Which manifests of a repository name which subject. An entry is written before the manifest becomes
 * visible and counts only while the manifest is there, so that a process killed in between leaves
 * nothing wrong.
 */
export class ReferrerStore {
  readonly #files: DurableFiles;
  readonly #layout: Layout;

  constructor(files: DurableFiles, layout: Layout) {
    this.#files = files;
    this.#layout = layout;
  }

  async add(path: string, subject: Digest, descriptor: Descriptor): Promise<void> {
    const file = this.#layout.referrer(path, subject, descriptor.digest);
    await this.#files.write(file, JSON.stringify(descriptor));
  }

  async remove(path: string, subject: Digest, digest: Digest): Promise<void> {
    await this.#files.remove(this.#layout.referrer(path, subject, digest));
  }

  /** One page, ordered by digest, of at most what fits a manifest's bound (clients read it as an index). */
  async list(path: string, subject: Digest, query: ReferrersQuery): Promise<ReferrersPage> {
    const folder = this.#layout.referrers(path, subject);
    const digests = ((await ifPresent(readdir(folder))) ?? [])
      .map((name) => name.replace('-', ':'))
      .filter(isDigest)
      .filter((digest) => query.last === undefined || digest > query.last)
      .toSorted();
    const descriptors: string[] = [];
    let bytes = 256;
    let looked: Digest | undefined;
    for (const [index, digest] of digests.entries()) {
      if (index >= PAGE_ENTRIES) return { descriptors, next: looked };
      const text = await this.#entry(path, folder, digest, query.artifactType);
      if (text !== undefined) {
        bytes += Buffer.byteLength(text) + 1;
        if (descriptors.length > 0 && bytes > LIMITS.manifestBytes)
          return { descriptors, next: looked };
        descriptors.push(text);
      }
      looked = digest;
    }
    return { descriptors, next: undefined };
  }

  async #entry(
    path: string,
    folder: string,
    digest: Digest,
    artifactType: string | undefined,
  ): Promise<string | undefined> {
    const there = await ifPresent(access(this.#layout.manifest(path, digest)).then(() => true));
    if (there !== true) return undefined;
    const text = await ifPresent(readFile(join(folder, digest.replace(':', '-')), 'utf8'));
    if (text === undefined || artifactType === undefined) return text;
    const descriptor = JSON.parse(text) as Descriptor;
    return descriptor.artifactType === artifactType ? text : undefined;
  }
}

/** How a referrer is listed: `artifactType` falls back to an image's config type (distribution-spec 1.1, Listing Referrers). */
export function referrerDescriptor(manifest: Manifest, digest: Digest, size: number): Descriptor {
  const declared = manifest.artifactType === '' ? undefined : manifest.artifactType;
  const artifactType =
    declared ?? (manifest.kind === 'image' ? manifest.config.mediaType : undefined);
  return {
    mediaType: manifest.mediaType,
    digest,
    size,
    ...(artifactType === undefined ? {} : { artifactType }),
    ...(manifest.annotations === undefined ? {} : { annotations: manifest.annotations }),
  };
}
