import type { Result } from '../lib/result.ts';
import { ok } from '../lib/result.ts';
import { parseEnvelope } from './envelope.ts';
import type { TufKey } from './public-key.ts';
import { rootSigners } from './root-certificates.ts';
import type { Root } from './root.ts';
import { parseRoot } from './root.ts';
import { checkExpiry, checkVersion } from './signed-fields.ts';
import { signersOf, verifyThreshold } from './threshold.ts';
import { invalid } from './trust-data.ts';

/** What a root is judged by. */
export interface RootContext {
  readonly gun: string;
  readonly now: Date;
  /** The root that was trusted before; absent on first use. */
  readonly previous?: Root;
  /** `any`: also one whose metadata has expired (a stored one that is about to be replaced). */
  readonly expiry: 'required' | 'any';
}

/**
 * Verifies a root (TUF 5.3, dct-protocol 2 step 2): its own threshold by valid certificates, and the
 * previous root's threshold by the previous root's certificates, whose dates no longer matter.
 */
export function verifyRoot(bytes: Uint8Array, context: RootContext): Result<Root> {
  const root = verifyRotation(bytes, context, context.now);
  if (!root.ok || context.expiry === 'any') return root;
  const fresh = checkExpiry(root.value, 'root', context.now);
  return fresh.ok ? root : fresh;
}

function verifyRotation(
  bytes: Uint8Array,
  { gun, previous }: RootContext,
  certificatesAt: Date | null,
): Result<Root> {
  const envelope = parseEnvelope(bytes);
  if (!envelope.ok) return envelope;
  const root = parseRoot(envelope.value);
  if (!root.ok) return root;
  const keys = rootSigners(root.value, gun, certificatesAt);
  if (keys.size === 0) return untrusted('unable to retrieve valid leaf certificates');
  if (previous !== undefined) {
    const trusted = { ...previous.roles.root, keys: rootSigners(previous, gun, null) };
    if (!verifyThreshold(envelope.value, trusted).ok) {
      return invalid(
        'could not rotate trust to a new trusted root: failed to validate data with current trusted certificates',
      );
    }
  }
  if (!verifyThreshold(envelope.value, { ...root.value.roles.root, keys }).ok) {
    return untrusted('failed to validate integrity of roots');
  }
  const version = checkVersion(root.value, previous?.version ?? 1);
  return version.ok ? root : version;
}

const signers = new WeakMap<Root, ReadonlyMap<string, TufKey>>();

/**
 * As {@link verifyRoot} with any expiry and nothing before it, for a root that was verified: its
 * signatures, which do not change, are checked once, and the dates of its certificates each time.
 */
export function recheckRoot(
  root: Root,
  { gun, now }: Pick<RootContext, 'gun' | 'now'>,
): Result<Root> {
  const role = root.roles.root;
  const keys = rootSigners(root, gun, now);
  // Certificates that count now may be others than at the first time: then all of it is looked at.
  if (keys.size < role.keys.size)
    return verifyRoot(root.envelope.bytes, { gun, now, expiry: 'any' });
  const signed = signers.get(root) ?? signersOf(root.envelope, role);
  signers.set(root, signed);
  return signed.size >= role.threshold
    ? ok(root)
    : untrusted('failed to validate integrity of roots');
}

function untrusted(why: string): Result<never> {
  return invalid(`could not validate the path to a trusted root: ${why}`);
}

/**
 * Follows a repository from a trusted root to its newest one (TUF 5.3.3 to 5.3.10): each is the
 * version after the one before and signed by both. What lies between may have expired, certificates
 * included; the last may not.
 */
export function followRoots(
  trusted: Root,
  later: readonly Uint8Array[],
  { gun, now }: Pick<RootContext, 'gun' | 'now'>,
): Result<Root> {
  let root = trusted;
  for (const [index, bytes] of later.entries()) {
    const context: RootContext = { gun, now, previous: root, expiry: 'any' };
    const last = index === later.length - 1;
    const next = verifyRotation(bytes, context, last ? now : null);
    if (!next.ok) return next;
    if (next.value.version !== root.version + 1) {
      return invalid(`expected root version ${root.version + 1}, found ${next.value.version}`);
    }
    root = next.value;
  }
  if (rootSigners(root, gun, now).size === 0) {
    return untrusted('unable to retrieve valid leaf certificates');
  }
  const fresh = checkExpiry(root, 'root', now);
  return fresh.ok ? ok(root) : fresh;
}
