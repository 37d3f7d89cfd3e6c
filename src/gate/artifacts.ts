import { LRUCache } from 'lru-cache';
import type { Result } from '../lib/result.ts';
import { refuse } from '../lib/result.ts';
import type { Digest } from '../oci/digest.ts';
import { parseManifest } from '../oci/manifest.ts';
import type { Repository } from '../oci/reference.ts';
import type { EvidenceSource, SignatureFormat } from '../trust/format.ts';

/**
 * Signature artifacts: what may always be pushed and read, and never counts as an image. They are
 * told by their tag and by what they are, checked as the claimed type for the named subject.
 */
export class Artifacts {
  readonly #formats: readonly SignatureFormat[];
  /** Digests that were seen to be artifacts, so that reads by digest of the same thing work. */
  readonly #seen = new LRUCache<string, string>({ max: 20_000 });

  constructor(formats: readonly SignatureFormat[]) {
    this.#formats = formats;
  }

  /** The digest that an artifact tag speaks for; `null` for every other tag. */
  subjectOf(tag: string): { readonly subject: Digest; readonly format: SignatureFormat } | null {
    for (const format of this.#formats) {
      const subject = format.subjectOfTag(tag);
      if (subject !== null) return { subject, format };
    }
    return null;
  }

  /** The tag under which a digest was seen as an artifact of this repository. */
  tagOf(repository: Repository, digest: Digest): string | undefined {
    return this.#seen.get(`${repository}\n${digest}`);
  }

  /** Remembers a digest whose parts were checked as artifacts of this tag. */
  remember(repository: Repository, digest: Digest, tag: string): void {
    this.#seen.set(`${repository}\n${digest}`, tag);
  }

  /** Checks bytes that claim to be the artifact of this tag (ARTIFACT_INVALID otherwise). */
  async check(
    repository: Repository,
    tag: string,
    manifest: { readonly bytes: Uint8Array; readonly mediaType: string; readonly digest: Digest },
    source: EvidenceSource,
  ): Promise<Result<null>> {
    const claimed = this.subjectOf(tag);
    if (claimed === null)
      return refuse('ARTIFACT_INVALID', `${tag.slice(0, 80)} is no signature tag`);
    const parsed = parseManifest(manifest.bytes, manifest.mediaType);
    if (!parsed.ok) return parsed;
    const checked = await claimed.format.checkArtifact(tag, parsed.value, source);
    if (checked.ok) this.remember(repository, manifest.digest, tag);
    return checked;
  }
}
