import type { Digest } from '../oci/digest.ts';
import type { Repository } from '../oci/reference.ts';
import type { Authority, FormatName } from '../trust/format.ts';

/** `enforce` refuses, `warn` lets through and says so, `off` does not look. */
export type Mode = 'enforce' | 'warn' | 'off';
/** What happens to a push that gives a tag to something not trusted. */
export type PushRule = 'reject' | 'hold' | 'allow';

/** One entry of `require`: so many of these authorities, in one of these formats, young enough. */
export interface SignatureRule {
  readonly by: readonly string[];
  readonly atLeast: number;
  readonly formats: readonly FormatName[];
  /** Milliseconds; `null` where age does not matter. */
  readonly maxAge: number | null;
  /** Ids of the keys of which enough must have signed a repository's root for its entries (`dct`) to count; empty: any root. */
  readonly roots: readonly string[];
}

/** A recorded exception: this digest is let through although it is not signed as required. */
export interface Exception {
  readonly digest: Digest;
  readonly reason: string;
  readonly approvedBy: string;
  /** It counts before this instant only. */
  readonly expires: Date;
}

/** An image pattern, compiled; see `match.ts`. */
export interface Pattern {
  /** As written, `${registry}` filled in. */
  readonly text: string;
  /** Host and path segments: literals (with `*` inside a segment), `*`, `**`. */
  readonly segments: readonly string[];
}

/** One policy as written, with its defaults filled in. */
export interface Policy {
  readonly name: string;
  readonly images: readonly Pattern[];
  readonly mode: Mode;
  readonly push: PushRule;
  readonly tags: 'registry' | 'signed';
  readonly require: readonly SignatureRule[];
  /** `signedAs` names, canonical `host/path` prefixes that replace the literal front of the pattern. */
  readonly signedAs: readonly string[];
  readonly bindTag: boolean;
  readonly digests: 'any' | 'current';
  /** As {@link SignatureRule.roots}, for every rule; both hold. */
  readonly roots: readonly string[];
  readonly blobs: 'open' | 'linked';
  readonly delete: 'deny' | 'allow';
  /** Milliseconds. */
  readonly holdFor: number;
  /** Milliseconds. */
  readonly authGrace: number;
  readonly exceptions: readonly Exception[];
  readonly floor: boolean;
  /** `file:line`, for messages. */
  readonly source: string;
}

/** All policy files, loaded together; immutable. A reload makes a new one. */
export interface PolicySet {
  /** Lower-case hex SHA-256 over the files' names and bytes and the key files' bytes. */
  readonly revision: string;
  readonly authorities: readonly Authority[];
  readonly policies: readonly Policy[];
}

/** One policy as it bears on one repository. */
export interface Judging {
  readonly policy: Policy;
  /** The names under which a signature for the repository may have been made: its own, the host's aliases, this policy's `signedAs`. */
  readonly signedNames: readonly Repository[];
}

/** What governs one repository: the most specific policy, and every floor that matches besides. */
export interface Governing extends Judging {
  /** Each with its own signed names: a narrower file's `signedAs` must not widen the baseline. */
  readonly floors: readonly Judging[];
  readonly revision: string;
}
