import type { Readable } from 'node:stream';
import type { Dispatcher } from 'undici';
import type { Logger } from '../../lib/logger.ts';
import type { Digest } from '../../oci/digest.ts';
import type { ReferrerList } from '../../oci/referrers.ts';
import type { TlsMaterial } from '../../oci/tls.ts';
import type { Caller } from '../access/caller.ts';
import type { BlobStream } from './blob-connection.ts';

/** A host besides upstream that the configuration names, and the certificates for it. */
export interface Endpoint {
  readonly url: URL;
  readonly tls: TlsMaterial;
}

/** Where the registry behind the gate is. */
export interface UpstreamOptions {
  /** `http(s)://host[:port]`; for the embedded registry any origin, with `socketPath`. */
  readonly origin: string;
  /** A Unix socket to connect to instead of the origin's address. */
  readonly socketPath?: string;
  /** Certificates; an explicit authority is trusted instead of the usual ones. */
  readonly tls?: TlsMaterial;
  /** The gate's own credentials; the clients' are then never passed on. */
  readonly credentials?: { readonly username: string; readonly password: string };
  /** The one address that tokens are asked for at: by the gate, or by clients through it where theirs are passed on. */
  readonly realm?: Endpoint;
  /** Other hosts on which upstream keeps blobs: its redirects there are followed here. */
  readonly storage?: readonly Endpoint[];
  /** How long to wait for headers, and between two pieces of a body, in ms; the usual times where not given. */
  readonly timeouts?: { readonly headers: number; readonly body: number };
  /** Where it is said why upstream cannot be asked. */
  readonly log?: Logger;
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

/** What upstream says when it is asked for a manifest. */
export type ManifestAnswer = UpstreamManifest | { readonly kind: 'absent' } | Relayed;
/** What upstream says when it is asked what a reference means. */
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

/** A request for a token (distribution, "Token Authentication Specification" and its OAuth2 form). */
export interface TokenRequest {
  readonly method: 'GET' | 'POST';
  /** Without `?`; byte-exact where it is a client's. */
  readonly query: string;
  readonly authorization: string | null;
  /** The form of a POST. */
  readonly body?: Uint8Array;
}

/** The token server of a registry: the configured realm, and no other. */
export interface TokenServer {
  /** True where a challenge names this realm. */
  is(realm: string): boolean;
  /** Asks for a token; redirects are not followed. Throws UPSTREAM_UNAVAILABLE where it cannot be asked, UPSTREAM_INVALID for a huge answer. */
  ask(request: TokenRequest): Promise<Relayed>;
}

/** The registry behind the gate. Transport trouble is thrown as UPSTREAM_UNAVAILABLE, lies as UPSTREAM_INVALID. */
export interface Upstream {
  readonly origin: string;
  /** Where clients get tokens by way of the gate; `null` where their challenges are left alone, or are none of theirs. */
  readonly tokenServer: TokenServer | null;
  /** The rate-limit headers that upstream sent last to this caller's credential, within the minute. */
  limits(caller: Caller): Readonly<Record<string, string>>;
  /** True for the origin of a host on which upstream keeps blobs, as the configuration says. */
  isStorage(origin: string): boolean;
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
  /**
   * A blob's answer, to be sent on with little work; `null` where it is not a simple one, or could not
   * be had: then {@link exchange} tells. Throws nothing.
   */
  blobStream(request: UpstreamRequest, caller: Caller): Promise<BlobStream | null>;
  close(): Promise<void>;
}
