import { setImmediate as turn } from 'node:timers/promises';
import { CountersignError } from '../../src/lib/errors.ts';
import type { Digest } from '../../src/oci/digest.ts';
import { digestOf, isDigest } from '../../src/oci/digest.ts';
import { parseManifest } from '../../src/oci/manifest.ts';
import type { ReferrerList } from '../../src/oci/referrers.ts';
import { referrerDescriptor } from '../../src/registry/referrers.ts';
import type { TrustData } from '../../src/trust/dct/trust-data.ts';
import type { Evidence, EvidenceSink } from '../../src/trust/format.ts';

interface Stored {
  readonly bytes: Uint8Array;
  readonly mediaType: string;
}

/** One call to the store, as it was made. */
export interface Call {
  readonly op: 'manifest' | 'blob' | 'referrers' | 'trustData' | 'putBlob' | 'putManifest';
  readonly reference: string;
}

/**
 * One repository's content in memory: a real content-addressed store with tags, which checks on
 * reading what it was asked for by digest, as every EvidenceSource does. A test may make it fail
 * (`fault`) or lie (`forge`). Every call takes a turn of the event loop, so that concurrent callers
 * interleave.
 */
export class MemoryEvidence implements EvidenceSink, Evidence {
  readonly blobs = new Map<string, Uint8Array>();
  readonly manifests = new Map<string, Stored>();
  readonly tags = new Map<string, Digest>();
  readonly calls: Call[] = [];
  /** Called before each call is answered; what it throws is the answer. */
  fault: (call: Call, index: number) => void = () => undefined;
  /** True: content is served as it stands, without checking it against the digest asked for. */
  trusting = false;

  async manifest(reference: string): Promise<Stored | null> {
    await this.#begin({ op: 'manifest', reference });
    const digest = isDigest(reference) ? reference : this.tags.get(reference);
    const found = digest === undefined ? undefined : this.manifests.get(digest);
    if (found === undefined) return null;
    if (isDigest(reference)) this.#check(reference, found.bytes);
    return found;
  }

  async blob(digest: Digest, maxBytes: number): Promise<Uint8Array | null> {
    await this.#begin({ op: 'blob', reference: digest });
    const bytes = this.blobs.get(digest);
    if (bytes === undefined) return null;
    if (bytes.byteLength > maxBytes) {
      throw new CountersignError('TOO_LARGE', `expected at most ${maxBytes} bytes`);
    }
    this.#check(digest, bytes);
    return bytes;
  }

  /** False: as a registry without the referrers API, which lists nothing. */
  listsReferrers = true;

  async referrers(digest: Digest): Promise<ReferrerList | null> {
    await this.#begin({ op: 'referrers', reference: digest });
    if (!this.listsReferrers) return null;
    const descriptors = [...this.manifests].flatMap(([own, stored]) => {
      const parsed = parseManifest(stored.bytes, stored.mediaType);
      if (!parsed.ok || parsed.value.subject?.digest !== digest || !isDigest(own)) return [];
      return [referrerDescriptor(parsed.value, own, stored.bytes.byteLength)];
    });
    return { descriptors, complete: true };
  }

  /** The repository's trust data; `null`: it has none. */
  trust: TrustData | null = null;

  async trustData(): Promise<TrustData | null> {
    await this.#begin({ op: 'trustData', reference: '' });
    return this.trust;
  }

  async putBlob(digest: Digest, bytes: Uint8Array): Promise<void> {
    await this.#begin({ op: 'putBlob', reference: digest });
    this.#check(digest, bytes);
    this.blobs.set(digest, bytes);
  }

  async putManifest(reference: string, bytes: Uint8Array, mediaType: string): Promise<void> {
    await this.#begin({ op: 'putManifest', reference });
    this.store(reference, bytes, mediaType);
  }

  /** Stores a manifest at once, under its digest and, where `reference` is one, its tag. */
  store(reference: string, bytes: Uint8Array, mediaType: string): Digest {
    const digest = digestOf(bytes);
    this.manifests.set(digest, { bytes, mediaType });
    if (!isDigest(reference)) this.tags.set(reference, digest);
    return digest;
  }

  /** Stores a blob at once. */
  keep(bytes: Uint8Array): Digest {
    const digest = digestOf(bytes);
    this.blobs.set(digest, bytes);
    return digest;
  }

  /** The text of the manifest under a tag. */
  text(tag: string): string {
    const stored = this.manifests.get(this.tags.get(tag) ?? '');
    return Buffer.from(stored?.bytes ?? []).toString();
  }

  /** Replaces a blob and, in every tagged manifest, its digest and size: an attacker's consistent change. */
  replace(digest: Digest, bytes: Uint8Array): void {
    const old = this.blobs.get(digest);
    const next = this.keep(bytes);
    for (const [tag, manifest] of Array.from(this.tags)) {
      const stored = this.manifests.get(manifest);
      if (stored === undefined || old === undefined) continue;
      const text = Buffer.from(stored.bytes)
        .toString()
        .replaceAll(`"size":${old.byteLength},"digest":"${digest}"`, () => {
          return `"size":${bytes.byteLength},"digest":"${next}"`;
        });
      this.store(tag, Buffer.from(text), stored.mediaType);
    }
  }

  /** A second store with the same content. */
  copy(): MemoryEvidence {
    const copy = new MemoryEvidence();
    for (const [digest, bytes] of this.blobs) copy.blobs.set(digest, bytes);
    for (const [digest, stored] of this.manifests) copy.manifests.set(digest, stored);
    for (const [tag, digest] of this.tags) copy.tags.set(tag, digest);
    return copy;
  }

  async #begin(call: Call): Promise<void> {
    const index = this.calls.push(call) - 1;
    await turn();
    this.fault(call, index);
  }

  #check(digest: Digest, bytes: Uint8Array): void {
    if (this.trusting || digestOf(bytes) === digest) return;
    throw new CountersignError('UPSTREAM_INVALID', `the content is not that of ${digest}`);
  }
}
