import { LIMITS } from '../../lib/limits.ts';
import type { Result } from '../../lib/result.ts';
import { ok, refuse } from '../../lib/result.ts';
import type { Repository } from '../../oci/reference.ts';
import { rootSigners } from '../../tuf/root-certificates.ts';
import { followRoots, verifyRoot } from '../../tuf/root-trust.ts';
import type { Root } from '../../tuf/root.ts';
import { readRoot } from '../../tuf/root.ts';
import { invalid } from '../../tuf/trust-data.ts';
import type { TrustServer } from './client.ts';

// Rotations that somebody may have slept through; each is a request.
const MAX_STEPS = 256;

/** A root's metadata as it was seen, and as it is now. */
export interface RootStep {
  readonly server: TrustServer;
  readonly repository: Repository;
  readonly now: Date;
  /** The root that this machine trusts; `null` on first use. */
  readonly pinned: Uint8Array | null;
  /** The server's newest one. */
  readonly newest: Uint8Array;
}

/**
 * Goes from the pinned root to the newest one, every version between them signed by the one before
 * (TUF 5.3, dct-protocol 5.4): a thief of an old key who signs a newest root of his own is stopped by the
 * rotation that made it old. Without a pin the newest root is believed on first use.
 */
export async function followRoot(step: RootStep): Promise<Result<Root>> {
  const { server, repository, now, pinned, newest } = step;
  const context = { gun: repository, now };
  if (pinned === null) return verifyRoot(newest, { ...context, expiry: 'required' });
  const trusted = readPinned(pinned, repository);
  if (!trusted.ok) return trusted;
  const asked = readRoot(newest);
  if (!asked.ok) return asked;
  const { version } = trusted.value;
  const ahead = asked.value.version - version;
  if (ahead < 0) {
    return refuse(
      'TRUST_DATA_ROLLBACK',
      `version ${asked.value.version} of the root is lower than current version ${version}`,
    );
  }
  if (ahead === 0) {
    return verifyRoot(newest, { ...context, previous: trusted.value, expiry: 'required' });
  }
  if (ahead > MAX_STEPS)
    return invalid(`expected a root at most ${MAX_STEPS} versions on, found ${ahead}`);
  const between: Uint8Array[] = [];
  let left: number = LIMITS.trustRepositoryBytes;
  for (let at = version + 1; at < asked.value.version; at++) {
    const most = Math.min(left, LIMITS.trustMetadataBytes);
    const bytes = await server.file(repository, `${at}.root`, most);
    if (bytes === null) return invalid(`${at}.root trust data unavailable`);
    left -= bytes.length;
    between.push(bytes);
  }
  return followRoots(trusted.value, [...between, newest], context);
}

/** A pinned root was verified when it came; its dates no longer matter, but it must be this repository's. */
function readPinned(bytes: Uint8Array, repository: Repository): Result<Root> {
  const root = readRoot(bytes);
  if (!root.ok) return root;
  if (rootSigners(root.value, repository, null).size > 0) return ok(root.value);
  return invalid(
    'could not validate the path to a trusted root: unable to retrieve valid leaf certificates',
  );
}
