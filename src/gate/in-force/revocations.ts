import { notaryKeyId } from '../../keys/notary-key-id.ts';
import type { Revocation } from '../../store/store.ts';
import type { Authority } from '../../trust/format.ts';
import type { TrustState } from './trust-state.ts';

/**
 * The revocations that a decision goes by. A key may have been revoked under Notary's id before a policy
 * listed it: then it is revoked under its own, too, or the policy would bring it back (T-55).
 */
export function revocationsInForce(ports: {
  readonly trust: TrustState;
  authorities(): readonly Authority[];
}): readonly Revocation[] {
  const all = ports.trust.revocations();
  const revoked = new Map(all.flatMap((one) => (one.kind === 'key' ? [[one.keyId, one]] : [])));
  if (revoked.size === 0) return all;
  const listed = ports.authorities().flatMap(({ keys }) => keys);
  for (const { id } of listed) revoked.delete(id);
  // Mostly every revoked key is one of a policy, under its own id.
  if (revoked.size === 0) return all;
  const more = listed.flatMap((key) => {
    const known = revoked.get(notaryKeyId(key));
    return known === undefined ? [] : [{ ...known, keyId: key.id }];
  });
  return [...all, ...more];
}
