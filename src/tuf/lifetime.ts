import { sha256 } from '../lib/bytes.ts';
import { isDelegation } from './role-name.ts';

const DAY_S = 86_400;
/** As docker and notary write them (dct-protocol 3.1); a delegation lives as long as targets do. */
const DAYS: Readonly<Record<string, number>> = {
  root: 10 * 365,
  targets: 3 * 365,
  snapshot: 3 * 365,
  timestamp: 14,
};

/**
 * When a file of the role that is made now expires, in whole seconds: Notary re-serialises fractions, and
 * the signature would no longer hold. With a repository, up to a day earlier, by its name and the role's:
 * what the same signer says at the same moment in two places is then not the same statement, which a
 * server that lets nobody copy it from one to the other would refuse.
 */
export function lifetime(role: string, now: Date, gun?: string): Date {
  const days = DAYS[isDelegation(role) ? 'targets' : role] ?? 0;
  const seconds =
    Math.floor(now.getTime() / 1000) +
    days * DAY_S -
    (gun === undefined ? 0 : earlier(`${role} of ${gun}`));
  return new Date(seconds * 1000);
}

function earlier(name: string): number {
  return sha256(name).readUInt32BE(0) % DAY_S;
}
