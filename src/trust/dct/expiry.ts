import { rootCertificateExpiry } from '../../tuf/root-certificates.ts';
import type { TrustedRepository } from '../../tuf/repository.ts';

const DAY_MS = 86_400_000;
/** Metadata that ends within this time is signed again when its role is signed (as docker does). */
export const RESIGN_MS = 182 * DAY_MS;
const YEAR_MS = 365 * DAY_MS;

/** Something of a repository that ends soon. */
export interface EndingSoon {
  /** `root`, `root certificate`, `targets`, `targets/<name>` or `snapshot`. */
  readonly what: string;
  readonly ends: Date;
  /** One sentence for the person who can mend it. */
  readonly advice: string;
}

/**
 * What ends within a year (root) or half a year (targets). When the root's certificate ends nobody can
 * sign or pull any more, and no new root can be published either (dct-protocol 2.9).
 */
export function endingSoon(trusted: TrustedRepository, now: Date): readonly EndingSoon[] {
  const { root, tree, gun } = trusted;
  const certificate = rootCertificateExpiry(root);
  const all: (EndingSoon & { readonly within: number })[] = [
    {
      what: 'root',
      ends: root.expires,
      within: YEAR_MS,
      advice: `sign it again: countersign root rotate ${gun}`,
    },
    ...(certificate === null
      ? []
      : [
          {
            what: 'root certificate',
            ends: certificate,
            within: YEAR_MS,
            advice: `change it while it lasts, afterwards nothing can be published: countersign root rotate ${gun}`,
          },
        ]),
    ...[...tree.roles.values()].map(({ name, expires }) => ({
      what: name,
      ends: expires,
      within: RESIGN_MS,
      advice: 'is nearing expiry, you should re-sign the role metadata',
    })),
  ];
  return all
    .filter(({ ends, within }) => ends.getTime() - now.getTime() < within)
    .map(({ what, ends, advice }) => ({ what, ends, advice }));
}
