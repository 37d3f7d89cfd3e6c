import type { JsonObject } from '../lib/json.ts';
import type { Digest } from '../oci/digest.ts';
import type { Repository } from '../oci/reference.ts';
import type { NewEvent } from '../store/store.ts';
import { cut, event } from './event.ts';

/** Roles that an event spells out; the rest is counted. */
const ROLES = 24;

/** A file of Notary v1 metadata, by name. */
export interface FileFact {
  readonly role: string;
  readonly version: number;
  /** Hex. */
  readonly sha256: string;
}

/** An accepted publish of Notary v1 metadata. */
export interface PublishFact {
  readonly repository: Repository;
  /** What was uploaded and what the server made, in one commit. */
  readonly files: readonly FileFact[];
  /** What became of the pin: see `PinStep`. */
  readonly pin: string;
  /** False: it stands under another root than the pinned one, or is older than what was seen. */
  readonly believed: boolean;
  /** How many tags are signed now that were not. */
  readonly signed: number;
}

/** `trust-published`: metadata were accepted and stored. `nonce`: one per publish. */
export function trustPublished(fact: PublishFact, actor: string, nonce: string): NewEvent {
  const { repository, pin, believed, signed } = fact;
  const files = fact.files.slice(0, ROLES).map((file): JsonObject => ({ ...file }));
  const data: JsonObject = { files, fileCount: fact.files.length, pin, believed, signed };
  return event('sig', 'trust-published', { repository }, actor, data, [nonce]);
}

/** A tag that a publish signed. */
export interface TagFact {
  readonly repository: Repository;
  readonly tag: string;
  readonly digest: Digest;
  readonly role: string;
  /** SHA-256 of the SubjectPublicKeyInfo of a key that signed the role's file. */
  readonly keyId: string;
  /** Digest of the role's file. */
  readonly payload: Digest;
}

/** `signature`: a tag was signed by a publish. `nonce`: that of the publish. */
export function tagSigned(fact: TagFact, actor: string, nonce: string): NewEvent {
  const { repository, tag, digest, role, keyId, payload } = fact;
  // Who that is to a policy, the policy says; the record names the role that spoke.
  const data: JsonObject = { format: 'dct', authority: role, keyId, payload };
  return event('sig', 'signature', { repository, tag, digest }, actor, data, [
    nonce,
    tag,
    digest,
    role,
  ]);
}

/** `trust-deleted`: the files of a repository were deleted; its pin was not. */
export function trustDeleted(repository: Repository, actor: string, nonce: string): NewEvent {
  return event('sig', 'trust-deleted', { repository }, actor, {}, [nonce]);
}

/** `trust-reset`: an administrator accepts another root. `root`: SHA-256 of the one that is there, `null` where none is. */
export function trustReset(
  fact: { readonly repository: Repository; readonly reason: string; readonly root: string | null },
  actor: string,
  nonce: string,
): NewEvent {
  const { repository, reason, root } = fact;
  const data: JsonObject = { reason: cut(reason), root };
  return event('sig', 'trust-reset', { repository }, actor, data, [nonce]);
}

/** `master-key-rotated`: the server's keys are sealed under another master key; both by id. `nonce`: one per rotation. */
export function masterKeyRotated(
  fact: { readonly from: string; readonly to: string; readonly keys: number },
  actor: string,
  nonce: string,
): NewEvent {
  return event('sig', 'master-key-rotated', {}, actor, { ...fact }, [nonce]);
}
