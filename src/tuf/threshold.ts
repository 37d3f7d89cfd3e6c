import type { Result } from '../lib/result.ts';
import { ok } from '../lib/result.ts';
import type { Envelope } from './envelope.ts';
import type { TufKey } from './public-key.ts';
import { verifyTufSignature } from './signature.ts';
import { invalid } from './trust-data.ts';

/** Who must sign a role. */
export interface SigningRole {
  readonly name: string;
  /** By the id under which it is listed. */
  readonly keys: ReadonlyMap<string, TufKey>;
  readonly threshold: number;
}

/**
 * The keys of a role that validly signed, by the id of the key itself, so that one key, wrapped in two
 * certificates or spelled twice, is one (T-14). Signatures of other keys, of weak ones, and wrong ones
 * beside good ones are passed over.
 */
export function signersOf(envelope: Envelope, role: SigningRole): ReadonlyMap<string, TufKey> {
  const signers = new Map<string, TufKey>();
  for (const { keyid, method, sig } of envelope.signatures) {
    const listed = role.keys.get(keyid);
    const key = listed?.key ?? null;
    if (listed === undefined || key === null || signers.has(key.id)) continue;
    if (verifyTufSignature(key, method, envelope.message, sig)) signers.set(key.id, listed);
  }
  return signers;
}

/**
 * Checks that enough keys of the role have signed (TUF 4.2.1.2, dct-protocol 3.5), as {@link signersOf}
 * counts them; gives them.
 */
export function verifyThreshold(
  envelope: Envelope,
  role: SigningRole,
): Result<ReadonlyMap<string, TufKey>> {
  if (envelope.signatures.length === 0) return invalid('tuf: data has no signatures');
  const signers = signersOf(envelope, role);
  // Parsers accept no threshold below 1; a role from elsewhere must not verify by nobody either (T-15).
  if (role.threshold >= 1 && signers.size >= role.threshold) return ok(signers);
  return invalid(`valid signatures did not meet threshold for ${role.name}`);
}
