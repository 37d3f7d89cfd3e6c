import type { PublicKey, Signer } from '../keys/key.ts';
import type { Result } from '../lib/result.ts';
import type { Digest } from '../oci/digest.ts';
import type { Manifest } from '../oci/manifest.ts';
import type { Repository } from '../oci/reference.ts';
import type { ReferrerList } from '../oci/referrers.ts';
import type { RootSignatures } from '../tuf/root-pin.ts';
import type { TrustData } from './dct/trust-data.ts';

/** The formats that policies can name; those of `formats.ts` can be verified. */
export type FormatName = 'dct' | 'cosign' | 'notation';

/** A named signer that a policy can ask for, with the keys that speak for it. */
export interface Authority {
  readonly name: string;
  readonly keys: readonly PublicKey[];
}

/** Whom policies ask for as `@repository`: the holders of the repository's own Notary v1 keys. They have no keys of a policy's. */
export const REPOSITORY: Authority = { name: '@repository', keys: [] };

/**
 * What only a signed map (`dct`) says of a tag's entry. Policies judge it: what it stands on and who
 * says otherwise are facts, and who of them is asked for is the policy's.
 */
export interface MapEntry {
  /** False: it was signed once, and the map does not say it now. */
  readonly current: boolean;
  /** Who says now that the same tag is another digest, by which key. */
  readonly contradictedBy: readonly { readonly authority: string; readonly keyId: string }[];
  /** Ids of other keys without which it would not stand: of its role's quorum, and of the roles above it. */
  readonly standsOn: readonly string[];
  /** When the first part of the trust data ends that it stands on. */
  readonly expires: Date;
  /** Who signed the root, each by all the ids that one key goes by, and how many of them it takes. */
  readonly root: RootSignatures;
}

/** What a format's verifier says of one piece of evidence. */
export interface Finding {
  readonly format: FormatName;
  /** The authority whose key verified it; `null` where no known key did, or nothing was found. */
  readonly authority: string | null;
  /** Id of the key that verified it (see {@link PublicKey}). */
  readonly keyId: string | null;
  readonly status: 'valid' | 'invalid' | 'absent' | 'inconclusive';
  /** One sentence: why. */
  readonly reason: string;
  /** What the signature says it signed, where the format binds a name: canonical repository, and the tag if named. */
  readonly signed: { readonly repository: Repository; readonly tag: string | null } | null;
  /** When it was signed, as far as known; `trusted` only for a timestamp by a trusted third party. */
  readonly signedAt: { readonly time: Date; readonly trusted: boolean } | null;
  /** Digest of the evidence (the signed payload), to name it in the record. */
  readonly evidence: Digest | null;
  /** The signed annotations (`-a k=v`). */
  readonly annotations: Readonly<Record<string, string>>;
  /** A `dct` finding's place in the signed map; without it a `dct` finding never counts. */
  readonly entry?: MapEntry;
}

/** Reads evidence from the subject's repository; "could not find out" is thrown, never reported as absent. */
export interface EvidenceSource {
  /**
   * The manifest under a tag or digest in the subject's repository: raw bytes and Content-Type, or
   * `null` where the registry surely has none. Throws CountersignError (UPSTREAM_UNAVAILABLE,
   * UPSTREAM_INVALID) when it cannot tell. Bytes asked for by digest are already checked against it.
   */
  manifest(
    reference: string,
  ): Promise<{ readonly bytes: Uint8Array; readonly mediaType: string } | null>;
  /** A blob's bytes, checked against its digest, or `null` where there is none. Refuses (throws) more than `maxBytes`. */
  blob(digest: Digest, maxBytes: number): Promise<Uint8Array | null>;
  /**
   * The manifests of the repository that name the digest as their subject, as the registry's
   * referrers API lists them, bounded; `null` where the registry surely has no such API: then the
   * index that clients keep is `manifest(fallbackTag(digest))`. Throws as {@link manifest} does.
   */
  referrers(digest: Digest): Promise<ReferrerList | null>;
}

/** All that a verifier can ask: what the registry holds, and the repository's trust data. */
export interface Evidence extends EvidenceSource {
  /** The repository's Notary v1 trust data, or `null` where it surely has none. Throws where it cannot tell. */
  trustData(): Promise<TrustData | null>;
}

/** Where a signer writes: the subject's repository in a registry. */
export interface EvidenceSink extends EvidenceSource {
  /** Uploads a blob unless it is there. */
  putBlob(digest: Digest, bytes: Uint8Array): Promise<void>;
  /** Puts a manifest under a tag or digest. */
  putManifest(reference: string, bytes: Uint8Array, mediaType: string): Promise<void>;
}

/** What is to be signed or judged: one manifest digest in one repository. */
export interface Subject {
  readonly repository: Repository;
  readonly digest: Digest;
}

/** What evidence is looked for. */
export interface JudgedSubject extends Subject {
  /** The tag that the digest was asked for by: of more entries than are told, its own come first. */
  readonly tag?: string | null;
}

/** What {@link SignatureFormat.sign} is asked to claim. */
export interface SignRequest extends Subject {
  /** The tag that the signature names; `null` names the repository only. */
  readonly tag: string | null;
  readonly annotations: Readonly<Record<string, string>>;
  /** Write the claim even where it stands already: a policy with `maxAge` wants a younger one. */
  readonly renew?: boolean;
}

/** A signature artifact's raw manifest. */
export interface StoredArtifact {
  readonly bytes: Uint8Array;
  readonly mediaType: string;
}

/** What is to stand under a signature tag after a push: what was pushed, what stood there, or their union. */
export type MergedArtifact =
  | { readonly kind: 'pushed' }
  | { readonly kind: 'stored' }
  | {
      readonly kind: 'union';
      readonly bytes: Uint8Array;
      /** The union's config, to be uploaded before it. */
      readonly config: { readonly digest: Digest; readonly bytes: Uint8Array };
    };

/** What finds and verifies the evidence of one format. */
export interface Verifier {
  readonly name: FormatName;
  /**
   * Finds and verifies all evidence for the subject, within the bounds of `lib/limits.ts`.
   * Keys come from `authorities` only (of {@link REPOSITORY}, from the pinned root). Trouble with reading the evidence becomes an `inconclusive`
   * finding; it never throws for what the registry holds.
   */
  verify(
    subject: JudgedSubject,
    source: Evidence,
    authorities: readonly Authority[],
  ): Promise<readonly Finding[]>;
}

/** A format whose signatures lie in the registry, beside the images: a folder in `trust/` and a line in `formats.ts`. */
export interface SignatureFormat extends Verifier {
  /**
   * Signs and stores; idempotent: the same claim by the same key is not written twice. Foreign
   * entries stay byte-identical. Returns whether anything was written.
   */
  sign(
    request: SignRequest,
    signer: Signer,
    sink: EvidenceSink,
  ): Promise<{ readonly written: boolean }>;
  /**
   * The digest that a tag of this format's signature artifacts speaks for (`sha256-<hex>.sig`), or
   * `null` for any other tag.
   */
  subjectOfTag(tag: string): Digest | null;
  /**
   * Checks something pushed or pulled as a signature artifact for `subject`: the right media types,
   * sizes and payloads, nothing that could run. Refuses with ARTIFACT_INVALID. Not a trust decision.
   */
  checkArtifact(tag: string, manifest: Manifest, source: EvidenceSource): Promise<Result<null>>;
  /**
   * Joins what is pushed over a signature tag with what stands there (`null`: nothing), so that
   * concurrent signers lose nothing. What is pushed was accepted by {@link checkArtifact}. Of more
   * signatures than readers look at, those that `signerOf` names a key for are kept before the others,
   * and the newer before the older. `signerOf` is given one signature as an artifact of its own.
   */
  mergeArtifacts(
    stored: StoredArtifact | null,
    pushed: StoredArtifact,
    signerOf: (one: StoredArtifact) => Promise<string | null>,
  ): Promise<Result<MergedArtifact>>;
}
