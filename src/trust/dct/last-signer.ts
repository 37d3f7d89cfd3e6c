import { RELEASES } from '../../tuf/role-name.ts';
import type { LoadedTrust } from './load.ts';

/** Whether a signer is there, and whether `targets/releases` as it is now stands on its signature. */
export type SignerStanding = 'absent' | 'last' | 'one-of-several';

/**
 * What removing a signer would leave (dct-protocol 5.5): `last` where without its keys too few have signed
 * the releases as they are, so that nobody could pull until another signer signs again.
 */
export function standingOf({ repository: { tree } }: LoadedTrust, name: string): SignerStanding {
  const delegations = tree.roles.get('targets')?.delegations ?? [];
  const own = delegations.find((role) => role.name === `targets/${name}`);
  if (own === undefined) return 'absent';
  const releases = tree.roles.get(RELEASES);
  if (releases === undefined) return 'one-of-several';
  const threshold = delegations.find((role) => role.name === RELEASES)?.threshold ?? 1;
  const left = releases.envelope.signatures.filter(({ keyid }) => !own.keys.has(keyid));
  return left.length < threshold ? 'last' : 'one-of-several';
}
