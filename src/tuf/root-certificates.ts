import type { Certificate } from './certificate.ts';
import type { TufKey } from './public-key.ts';
import type { Root } from './root.ts';

/** Notary lets a certificate count a day before it begins, for clocks that differ. */
const EARLY_MS = 86_400_000;

/**
 * The root keys that may vouch for a repository (dct-protocol 2 step 2, 2.9): a certificate each, whose
 * common name is the GUN or a prefix of it with `*` behind, signed with SHA-256 or better, of an
 * accepted key, exactly one leaf and first, intermediates only behind it. With a time, all of them
 * must be within their validity; `null` asks nothing of the dates (a root that is being replaced).
 */
export function rootSigners(
  root: Root,
  gun: string,
  now: Date | null,
): ReadonlyMap<string, TufKey> {
  return new Map(
    [...root.roles.root.keys].filter(([, key]) => vouches(key.certificates, gun, now)),
  );
}

function vouches(chain: readonly Certificate[], gun: string, now: Date | null): boolean {
  const [leaf, ...intermediates] = chain;
  if (leaf === undefined || leaf.isAuthority || !matchesGun(leaf.commonName, gun)) return false;
  return intermediates.every((one) => one.isAuthority) && chain.every((one) => isSound(one, now));
}

function isSound(certificate: Certificate, now: Date | null): boolean {
  const { notBefore, notAfter, strong, key } = certificate;
  if (!strong || key === null || notBefore > notAfter) return false;
  if (now === null) return true;
  return notBefore.getTime() <= now.getTime() + EARLY_MS && now <= notAfter;
}

/** True where a certificate of this common name may vouch for the repository. */
export function matchesGun(commonName: string, gun: string): boolean {
  if (!commonName.endsWith('*')) return commonName === gun;
  return gun.startsWith(commonName.replace(/\*+$/, ''));
}

/**
 * When the first root certificate ends. From the last such day on neither servers nor clients accept
 * the repository, and only a new root that was published before helps; so it is warned of in time.
 */
export function rootCertificateExpiry(root: Root): Date | null {
  const ends = [...root.roles.root.keys.values()]
    .flatMap((key) => key.certificates)
    .map((certificate) => certificate.notAfter.getTime());
  return ends.length === 0 ? null : new Date(Math.min(...ends));
}
