import { sha256 } from '../lib/bytes.ts';
import type { Json, JsonObject } from '../lib/json.ts';
import { canonicalJson } from '../lib/json.ts';
import type { Digest } from '../oci/digest.ts';
import type { Repository } from '../oci/reference.ts';
import type { Decision } from '../policy/decision.ts';
import type { Hold, LogName, NewEvent, Revocation } from '../store/store.ts';
import type { Finding, FormatName } from '../trust/format.ts';

/** The actor of what the service does by itself. */
export const SERVICE = 'countersign';

/** Findings that a decision's record spells out; the rest are counted. 12 KiB of data must hold them all. */
const FINDINGS = 16;
/** Longest free sentence in a record, in bytes as JSON writes it. */
const TEXT = 240;
/** File names that a policy load spells out. */
const FILES = 32;

/**
 * The idempotency key of an event: SHA-256 over the canonical JSON of its type and of the parts that
 * make it that one event. JSON, not a joined string, so that no delimiter in a name can make two
 * different events collide.
 */
function keyOf(type: string, ...parts: readonly Json[]): Uint8Array {
  return sha256(canonicalJson([type, ...parts]));
}

/** Cuts a sentence to the bound of a record: bytes as JSON writes them, so that escapes cannot swell it. */
function cut(text: string): string {
  const cost = (part: string): number => Buffer.byteLength(JSON.stringify(part)) - 2;
  const whole = text.slice(0, TEXT + 1).toWellFormed();
  if (text.length <= TEXT && cost(whole) <= TEXT) return whole;
  let kept = '';
  let left = TEXT - cost('…');
  for (const character of whole) {
    left -= cost(character);
    if (left < 0) break;
    kept += character;
  }
  return `${kept}…`;
}

interface About {
  readonly repository?: Repository | null;
  readonly tag?: string | null;
  readonly digest?: Digest | null;
}

function event(
  log: LogName,
  type: string,
  about: About,
  actor: string,
  data: JsonObject,
  key: readonly Json[],
): NewEvent {
  return {
    log,
    type,
    repository: about.repository ?? null,
    tag: about.tag ?? null,
    digest: about.digest ?? null,
    actor,
    data,
    idempotencyKey: keyOf(type, ...key),
  };
}

/** A signature that was verified with a known key. */
export interface SignatureFact {
  readonly repository: Repository;
  readonly digest: Digest;
  /** The tag that the signature itself names; `null` where it names none. */
  readonly tag: string | null;
  readonly format: FormatName;
  readonly keyId: string;
  readonly authority: string;
  /** Digest of the signed payload. */
  readonly payload: Digest;
}

/** The fact of a valid finding; `null` for a finding that is not valid or has no evidence to name. */
export function signatureOf(
  subject: { readonly repository: Repository; readonly digest: Digest },
  finding: Finding,
): SignatureFact | null {
  const { status, keyId, authority, evidence } = finding;
  if (status !== 'valid' || keyId === null || authority === null || evidence === null) return null;
  const tag = finding.signed?.tag ?? null;
  const { repository, digest } = subject;
  return { repository, digest, tag, format: finding.format, keyId, authority, payload: evidence };
}

/**
 * `signature`: a signature was accepted. Recorded once for the same payload, key and authority,
 * however often it is pushed or found; the actor is whoever brought it first ({@link SERVICE} where
 * the service found it in the registry).
 */
export function signatureAccepted(fact: SignatureFact, actor: string): NewEvent {
  const { repository, digest, tag, format, keyId, authority, payload } = fact;
  return event('sig', 'signature', fact, actor, { format, keyId, authority, payload }, [
    repository,
    digest,
    tag,
    format,
    keyId,
    authority,
    payload,
  ]);
}

function revocationEvent(
  type: string,
  revocation: Revocation,
  actor: string,
  nonce: string,
): NewEvent {
  const about: About =
    revocation.kind === 'digest'
      ? { repository: revocation.repository, digest: revocation.digest }
      : revocation.kind === 'tag'
        ? { repository: revocation.repository, tag: revocation.tag }
        : {};
  const data: JsonObject = {
    kind: revocation.kind,
    reason: cut(revocation.reason),
    ...(revocation.kind === 'key' ? { keyId: revocation.keyId } : {}),
  };
  return event('sig', type, about, actor, data, [nonce]);
}

/** `revocation`: trust was withdrawn. `nonce` is the same for every try of one request, and for that one only. */
export function revoked(revocation: Revocation, actor: string, nonce: string): NewEvent {
  return revocationEvent('revocation', revocation, actor, nonce);
}

/** `revocation-undone`: a revocation was taken back. `nonce` as for {@link revoked}. */
export function revocationUndone(revocation: Revocation, actor: string, nonce: string): NewEvent {
  return revocationEvent('revocation-undone', revocation, actor, nonce);
}

function findingSummary(finding: Finding): JsonObject {
  return {
    format: finding.format,
    authority: finding.authority,
    keyId: finding.keyId,
    status: finding.status,
    reason: cut(finding.reason),
    evidence: finding.evidence,
  };
}

/**
 * `allow` or `deny`: a decision with what it stands on; the first {@link FINDINGS} findings are spelt
 * out. `nonce` is the same for every try of one recording.
 */
export function decided(decision: Decision, actor: string, nonce: string): NewEvent {
  const { subject, policy, reason } = decision;
  // What verified comes first: junk that somebody piled up beside it cannot push it out of the record.
  const valid = (finding: Finding): number => (finding.status === 'valid' ? 0 : 1);
  const findings = decision.findings.toSorted((a, b) => valid(a) - valid(b));
  const data: JsonObject = {
    action: subject.action,
    policy: policy === null ? null : { name: policy.name, revision: policy.revision },
    code: reason.code,
    message: cut(reason.message),
    findings: findings.slice(0, FINDINGS).map(findingSummary),
    ...(findings.length > FINDINGS ? { moreFindings: findings.length - FINDINGS } : {}),
  };
  return event('dec', decision.decision, subject, actor, data, [nonce]);
}

/** `exception-used`: a policy's exception let a digest through. Recorded once per policy revision. `null` where the decision used none. */
export function exceptionUsed(decision: Decision): NewEvent | null {
  const { subject, policy, exception } = decision;
  if (exception === null) return null;
  const data: JsonObject = {
    policy: policy === null ? null : { name: policy.name, revision: policy.revision },
    exception: exception.digest,
    approvedBy: exception.approvedBy,
    reason: cut(exception.reason),
  };
  const { repository, digest } = subject;
  return event('sig', 'exception-used', { repository, digest }, SERVICE, data, [
    repository,
    digest,
    data,
  ]);
}

/** `summary`: how often each record's decision was given again, between two instants (ms). */
export function repeated(
  counts: readonly { readonly record: number; readonly count: number }[],
  span: { readonly from: number; readonly to: number },
  unrecorded: number,
  nonce: string,
): NewEvent {
  const data: JsonObject = {
    from: span.from,
    to: span.to,
    repeats: counts.map(({ record, count }) => [record, count]),
    unrecorded,
  };
  return event('dec', 'summary', {}, SERVICE, data, [nonce]);
}

/** `hold`: an unsigned push was accepted, its tag waits for a signature. Recorded again when the same push is renewed. */
export function held(hold: Omit<Hold, 'id' | 'state'>): NewEvent {
  const { repository, tag, digest, mediaType, pushedBy, pushedAt, expiresAt } = hold;
  return event('sig', 'hold', hold, pushedBy, { mediaType, pushedAt, expiresAt }, [
    repository,
    tag,
    digest,
    mediaType,
    pushedBy,
    pushedAt,
    expiresAt,
  ]);
}

function holdEvent(type: string, hold: Hold, actor: string, more: JsonObject): NewEvent {
  return event('sig', type, hold, actor, { hold: hold.id, pushedBy: hold.pushedBy, ...more }, [
    hold.id,
    hold.repository,
    hold.tag,
    hold.digest,
    more,
  ]);
}

/**
 * `promotion-intended`: a held tag is about to be given upstream, by `decision`; durable before the
 * PUT. `attempt` tells a second promotion of the same hold (after it went back to waiting) from a
 * repeated first.
 */
export function promotionIntended(
  hold: Hold,
  decision: Decision,
  actor: string,
  attempt: string,
): NewEvent {
  const policy = decision.policy;
  return holdEvent('promotion-intended', hold, actor, {
    policy: policy === null ? null : { name: policy.name, revision: policy.revision },
    code: decision.reason.code,
    attempt,
  });
}

/** `promoted`: the registry has given the held tag. */
export function promoted(hold: Hold): NewEvent {
  return holdEvent('promoted', hold, SERVICE, {});
}

/** `hold-expired`: no signature came in time; the hold was dropped. */
export function holdExpired(hold: Hold): NewEvent {
  return holdEvent('hold-expired', hold, SERVICE, { expiresAt: hold.expiresAt });
}

/** `hold-superseded`: the hold was dropped because a later one took its tag, or for the named reason. */
export function holdSuperseded(hold: Hold, reason: string): NewEvent {
  return holdEvent('hold-superseded', hold, SERVICE, { reason: cut(reason) });
}

/** `policy-loaded`: this set of policy files is in force. `nonce`: one per load, so that a return to an earlier set is recorded too. */
export function policyLoaded(
  set: { readonly revision: string; readonly files: readonly string[] },
  nonce: string,
): NewEvent {
  const files = set.files.slice(0, FILES).map(cut);
  const data: JsonObject = { revision: set.revision, files, fileCount: set.files.length };
  return event('sig', 'policy-loaded', {}, SERVICE, data, [nonce]);
}

/** `policy-rejected`: an edit of the policy files did not load; `kept` is the revision that stays in force (`null`: none). */
export function policyRejected(
  problem: { readonly message: string; readonly kept: string | null },
  nonce: string,
): NewEvent {
  const data: JsonObject = { message: cut(problem.message), kept: problem.kept };
  return event('sig', 'policy-rejected', {}, SERVICE, data, [nonce]);
}

/** `key-registered`: a policy set brought a key for an authority that was not known before. Recorded once. */
export function keyRegistered(key: {
  readonly authority: string;
  readonly keyId: string;
  readonly keyType: string;
}): NewEvent {
  const { authority, keyId, keyType } = key;
  return event('sig', 'key-registered', {}, SERVICE, { authority, keyId, keyType }, [
    authority,
    keyId,
    keyType,
  ]);
}

/** What a scan counts: images by what would become of their pulls. */
export const SCAN_COUNTS = ['allowed', 'warned', 'refused', 'unknown', 'gone'] as const;
export type ScanCounts = Readonly<Record<(typeof SCAN_COUNTS)[number], number>>;

/**
 * `scan`: an administrator asked what would be decided on whole repositories, without a record of
 * each answer. The counts are the asker's own. `nonce` as for {@link decided}.
 */
export function scanned(
  scan: {
    /** Canonical names; `HOST/**` for all of a registry. */
    readonly repositories: readonly string[];
    readonly counts: ScanCounts;
    /** False where it was broken off. */
    readonly complete: boolean;
  },
  actor: string,
  nonce: string,
): NewEvent {
  const { repositories, counts, complete } = scan;
  const data: JsonObject = { repositories: [...repositories], counts: { ...counts }, complete };
  const [only, ...others] = repositories;
  const whole = only === undefined || only.endsWith('/**') || others.length > 0;
  const repository = whole ? null : (only as Repository);
  return event('dec', 'scan', { repository }, actor, data, [nonce]);
}
