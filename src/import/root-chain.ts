import type { Result } from '../lib/result.ts';
import { ok, refuse } from '../lib/result.ts';
import { rootCertificateExpiry } from '../tuf/root-certificates.ts';
import { followRoots, verifyRoot } from '../tuf/root-trust.ts';
import type { Root } from '../tuf/root.ts';
import { readRoot } from '../tuf/root.ts';

/**
 * Verifies the roots of a repository, oldest first: each but the first was signed by the one before
 * (TUF 5.3), so that a client that stopped at any of them can follow. Dates are not asked: whether the
 * newest still counts is another question than whether the chain is whole. Refuses as verifyRoot does.
 */
export function verifyChain(gun: string, roots: readonly Uint8Array[]): Result<Root> {
  const [first, ...later] = roots;
  const last = roots.at(-1);
  if (first === undefined || last === undefined) {
    return refuse('TRUST_DATA_INVALID', 'expected a root, found none');
  }
  const oldest = verifyAlone(gun, first);
  if (!oldest.ok) return oldest;
  if (later.length === 0) return oldest;
  const newest = verifyAlone(gun, last);
  if (!newest.ok) return newest;
  const now = lastMoment(newest.value);
  return now.ok ? followRoots(oldest.value, later, { gun, now: now.value }) : now;
}

/** The last moment at which a root counted: its metadata and its certificates. */
function lastMoment(root: Root): Result<Date> {
  const ends = rootCertificateExpiry(root);
  if (ends === null) return refuse('TRUST_DATA_INVALID', 'expected a root with certificates');
  return ok(new Date(Math.min(ends.getTime(), root.expires.getTime()) - 1));
}

function verifyAlone(gun: string, bytes: Uint8Array): Result<Root> {
  const root = readRoot(bytes);
  if (!root.ok) return root;
  const now = lastMoment(root.value);
  return now.ok ? verifyRoot(bytes, { gun, now: now.value, expiry: 'any' }) : now;
}
