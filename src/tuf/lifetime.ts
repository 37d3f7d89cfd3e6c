import { isDelegation } from './role-name.ts';

const DAY_MS = 86_400_000;
/** As docker and notary write them (dct-protocol 3.1); a delegation lives as long as targets do. */
const DAYS: Readonly<Record<string, number>> = {
  root: 10 * 365,
  targets: 3 * 365,
  snapshot: 3 * 365,
  timestamp: 14,
};

/** When a file of the role that is made now expires, in whole seconds: Notary re-serialises fractions, and the signature would no longer hold. */
export function lifetime(role: string, now: Date): Date {
  const days = DAYS[isDelegation(role) ? 'targets' : role] ?? 0;
  return new Date(Math.floor(now.getTime() / 1000) * 1000 + days * DAY_MS);
}
