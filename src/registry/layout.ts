import { join } from 'node:path';
import type { Digest } from '../oci/digest.ts';
import { algorithmOf, hexOf } from '../oci/digest.ts';

/**
 * Where things are in the registry's folder:
 *
 * ```
 * blobs/<algorithm>/<2 hex>/<hex>                     every content once, blobs and manifests alike
 * uploads/<id>.data, <id>.repository                  open upload sessions
 * tmp/                                                files that have no name yet; emptied at start
 * repositories/<path>/_blobs/<algorithm>/<hex>        empty: the repository has this blob
 * repositories/<path>/_manifests/<algorithm>/<hex>    holds the manifest's media type
 * repositories/<path>/_tags/<tag>                     holds a digest
 * repositories/<path>/_referrers/<subject>/<digest>   holds the referrer's descriptor
 * ```
 *
 * No component of a repository name begins with `_` (distribution-spec, grammar of <name>), so these
 * folders never collide with a repository. The paths are built only from a parsed {@link Digest}, a
 * name that `isPath` accepted, and file names made here (CVE-2024-3727: a digest used as it came).
 */
export class Layout {
  readonly #root: string;

  constructor(root: string) {
    this.#root = root;
  }

  content(digest: Digest): string {
    const hex = hexOf(digest);
    return join(this.#root, 'blobs', algorithmOf(digest), hex.slice(0, 2), hex);
  }

  uploads(): string {
    return join(this.#root, 'uploads');
  }

  repositories(): string {
    return join(this.#root, 'repositories');
  }

  repository(path: string): string {
    return join(this.repositories(), path);
  }

  blob(path: string, digest: Digest): string {
    return join(this.repository(path), BLOBS, algorithmOf(digest), hexOf(digest));
  }

  manifests(path: string): string {
    return join(this.repository(path), MANIFESTS);
  }

  manifest(path: string, digest: Digest): string {
    return join(this.manifests(path), algorithmOf(digest), hexOf(digest));
  }

  tags(path: string): string {
    return join(this.repository(path), '_tags');
  }

  referrers(path: string, subject: Digest): string {
    return join(this.repository(path), '_referrers', fileNameOf(subject));
  }

  referrer(path: string, subject: Digest, digest: Digest): string {
    return join(this.referrers(path, subject), fileNameOf(digest));
  }
}

const BLOBS = '_blobs';
/** The folder whose presence says that a repository has had a manifest. */
export const MANIFESTS = '_manifests';

/** A digest as a file name: `sha256-<hex>`. */
export function fileNameOf(digest: Digest): string {
  return `${algorithmOf(digest)}-${hexOf(digest)}`;
}
