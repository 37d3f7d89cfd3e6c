import type { FormatName } from '../trust/format.ts';
import { MAX_NAME } from './message.ts';
import type { Mode, Policy, PushRule } from './policy.ts';

/** The words of `mode`. */
export const MODES = ['enforce', 'warn', 'off'] as const satisfies readonly Mode[];
/** The words of `push`. */
export const PUSH_RULES = ['reject', 'hold', 'allow'] as const satisfies readonly PushRule[];
/** The words of `tags`. */
export const TAG_RULES = ['registry', 'signed'] as const satisfies readonly Policy['tags'][];
/** The words of `digests`. */
export const DIGEST_RULES = ['any', 'current'] as const satisfies readonly Policy['digests'][];
/** The words of `blobs`. */
export const BLOB_RULES = ['open', 'linked'] as const satisfies readonly Policy['blobs'][];
/** The words of `delete`. */
export const DELETE_RULES = ['deny', 'allow'] as const satisfies readonly Policy['delete'][];
/** All formats that the design names; which of them can be used is told to the loader. */
export const FORMAT_NAMES = ['dct', 'cosign', 'notation'] as const satisfies readonly FormatName[];

/** Names of authorities and policies: they stand in messages, metrics and records. */
export const NAME = new RegExp(`^[A-Za-z0-9][A-Za-z0-9._+@-]{0,${MAX_NAME - 1}}$`);

/** The least and most of the numbers and durations; durations in milliseconds. */
export const BOUNDS = {
  by: 64,
  rules: 16,
  roots: 64,
  exceptions: 1000,
  text: 300,
  maxAge: [1000, 10 * 365 * 86_400_000],
  holdFor: [1000, 30 * 86_400_000],
  authGrace: [0, 86_400_000],
} as const;

/** What a policy says where it is silent. */
export const DEFAULTS = {
  mode: 'enforce',
  push: 'reject',
  tags: 'registry',
  formats: ['cosign'],
  bindTag: false,
  digests: 'any',
  blobs: 'open',
  delete: 'deny',
  holdFor: 86_400_000,
  authGrace: 0,
  floor: false,
} as const satisfies Partial<Policy> & { formats: readonly FormatName[] };

/**
 * Every key of a policy file with what an editor shows for it: the one list behind the reader's known
 * keys, the JSON schema and the reference.
 */
export const FIELDS = {
  file: {
    version: 'The version of this file format: 1.',
    authorities:
      'Named signers: a person, a bot, a team. Any policy of the folder can ask for them.',
    policies: 'What must have been signed, by whom, and what happens when it has not.',
  },
  authority: {
    name: 'The name that policies ask for. Unique over all files of the folder.',
    keys: 'Public key files (PEM), relative to this file and inside the policy folder. A key belongs to one authority only.',
  },
  policy: {
    name: 'The name that refusals and records show. Unique over all files of the folder.',
    images:
      'Repositories that this policy governs: host/path, where * stays within one path segment and ** crosses segments. ${registry} is the first configured host; ** alone is everything.',
    mode: 'enforce refuses, warn lets through and says so, off does not look.',
    push: 'A tag for something not trusted: reject refuses it, hold keeps it back until the signature arrives, allow lets it through.',
    tags: 'What a tag means: registry, whatever the registry says, the digest must be trusted. signed, what the signed map (dct) of those who are asked for says, whatever the registry has.',
    require: 'What must hold, all of it.',
    signedAs:
      'Other names under which a signature counts: each replaces the literal front of the pattern, such as old-registry.example.com/prod.',
    bindTag: 'true: a signature that does not name the tag asked for does not count for it.',
    digests:
      'any: every digest that was once trusted and not revoked can be pulled. current: only what the signed map (dct) says now that a tag is.',
    roots:
      'Keys that must have signed the root of a repository for its signed map (dct) to count: key ids, or certificate or public key files (PEM) inside the policy folder. Holds for every rule.',
    blobs: 'open: blobs pass freely. linked: only blobs of admitted manifests.',
    delete: 'Whether manifests and tags may be deleted through the gate.',
    holdFor: 'How long a held push waits for its signature, such as 24h.',
    authGrace: 'While the upstream is down: how long its last yes to a caller keeps counting.',
    exceptions: 'Digests that are let through although they are not signed as required.',
    floor:
      'true: holds for all it matches, besides whatever governs there, so that no narrower policy can switch it off.',
  },
  requirement: {
    signatures: 'So many of these authorities must have signed.',
  },
  signatures: {
    by: "Names of authorities; @repository: whoever holds the repository's own Notary v1 keys (dct).",
    atLeast:
      'How many different authorities of the list must have signed; all of them where it is not given.',
    formats: 'Signature formats that count.',
    maxAge: 'Signatures older than this do not count, such as 90d.',
    roots: 'As the roots of the policy, for this rule; both hold.',
  },
  exception: {
    digest: 'The one digest that is let through.',
    reason: 'Why. Recorded with every use.',
    approvedBy: 'Who answers for it. Recorded with every use.',
    expires: 'The day (until its end, UTC) or RFC 3339 instant at which it ends.',
  },
} as const;

/** The keys of one part of the file. */
export type FieldsOf<P extends keyof typeof FIELDS> = keyof (typeof FIELDS)[P] & string;

/** The known keys of one part of the file, in the order in which they are documented. */
export function keysOf<P extends keyof typeof FIELDS>(part: P): readonly FieldsOf<P>[] {
  return Object.keys(FIELDS[part]) as FieldsOf<P>[];
}
