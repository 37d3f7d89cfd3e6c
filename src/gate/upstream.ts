import type { Readable } from 'node:stream';
import type { Dispatcher } from 'undici';
import type { Digest } from '../oci/digest.ts';
import type { ReferrerList } from '../oci/referrers.ts';
import type { Caller } from './caller.ts';

/** Where the registry behind the gate is. */
export interface UpstreamOptions {
  /** `http(s)://host[:port]`; for the embedded registry any origin, with `socketPath`. */
  readonly origin: string;
  /** A Unix socket to connect to instead of the origin's address. */
  readonly socketPath?: string;
  /** PEM certificates to trust instead of the system's. */
  readonly ca?: string;
  /** The gate's own credentials; the clients' are then never passed on. */
  readonly credentials?: { readonly username: string; readonly password: string };
  /** True where clients' own Authorization headers are meant for upstream. */
  readonly passCredentials: boolean;
}

/** A manifest as upstream has it: raw bytes, hashed here. */
export interface UpstreamManifest {
  readonly kind: 'found';
  readonly bytes: Uint8Array;
  readonly mediaType: string;
  readonly digest: Digest;
}

/** An answer of upstream that is not ours to interpret: it goes to the client as it is (401, 403, 429). */
export interface Relayed {
  readonly kind: 'relay';
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[]>>;
  readonly body: Uint8Array;
}

/** Upstream took a manifest; `subject` is what its OCI-Subject header says (it keeps referrers itself). */
export interface Stored {
  readonly kind: 'stored';
  readonly subject: Digest | null;
}

export type ManifestAnswer = UpstreamManifest | { readonly kind: 'absent' } | Relayed;
export type HeadAnswer =
  { readonly kind: 'found'; readonly digest: Digest } | { readonly kind: 'absent' } | Relayed;

/** A streamed exchange with upstream. */
export interface UpstreamRequest {
  readonly method: string;
  /** Path and query, byte-exact. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Readable | Uint8Array;
  readonly signal?: AbortSignal;
  /** Milliseconds to wait for headers; uploads may take long to be finished. */
  readonly headersTimeout?: number;
}

/** The registry behind the gate. Transport trouble is thrown as UPSTREAM_UNAVAILABLE, lies as UPSTREAM_INVALID. */
export interface Upstream {
  readonly origin: string;
  manifest(path: string, reference: string, caller: Caller): Promise<ManifestAnswer>;
  /** Resolves a reference; the digest is upstream's assertion until the bytes are hashed. */
  head(path: string, reference: string, caller: Caller): Promise<HeadAnswer>;
  blob(path: string, digest: Digest, maxBytes: number, caller: Caller): Promise<Uint8Array | null>;
  /** The first `limit` tags of a repository; empty where there is none. */
  tags(path: string, limit: number, caller: Caller): Promise<readonly string[]>;
  /**
   * What the registry lists as a digest's referrers, all pages of its own origin within
   * LIMITS.referrers and LIMITS.referrerPages; `null` where it has no such API. The list is a hint:
   * whoever may push can have anything listed.
   */
  referrers(path: string, digest: Digest, caller: Caller): Promise<ReferrerList | null>;
  putManifest(
    path: string,
    reference: string,
    bytes: Uint8Array,
    mediaType: string,
    caller: Caller,
  ): Promise<Stored | Relayed>;
  /** Uploads a small blob unless it is there; throws where upstream does not take it. */
  putBlob(path: string, digest: Digest, bytes: Uint8Array, caller: Caller): Promise<void>;
  /** A raw exchange; the caller streams the body and must consume or destroy it. */
  exchange(request: UpstreamRequest, caller: Caller): Promise<Dispatcher.ResponseData>;
  close(): Promise<void>;
}
