import type { Repository } from '../oci/reference.ts';
import type { TrustReads } from '../store/trust-data.ts';
import { rootCertificateExpiry } from '../tuf/root-certificates.ts';
import { readRoot } from '../tuf/root.ts';

/** The root that a repository is held to. */
export interface HeldRoot {
  readonly version: number;
  /** Notary's ids of its root keys, as `roots` of a policy names them. */
  readonly keys: readonly string[];
  /** When the first of its certificates ends, and with it all use of the repository (dct-protocol 2.9). */
  readonly certificateExpires: Date | null;
}

/** A repository that has trust data, or had some and is held to their root. */
export interface TrustRepository {
  readonly repository: Repository;
  /** `null` where it is held to none: an administrator's reset, and no publish since. */
  readonly root: HeldRoot | null;
  /** The newest version of each role that was believed under that root. */
  readonly versions: Readonly<Record<string, number>>;
}

/** What is known of a repository's root. Throws STORE_UNAVAILABLE. */
export async function trustRepository(
  store: Pick<TrustReads, 'trustPin'>,
  repository: Repository,
): Promise<TrustRepository> {
  const pin = await store.trustPin(repository);
  return {
    repository,
    root: pin === null ? null : heldRoot(pin.root),
    versions: Object.fromEntries(pin?.seen ?? []),
  };
}

function heldRoot(bytes: Uint8Array): HeldRoot | null {
  const root = readRoot(bytes);
  if (!root.ok) return null;
  return {
    version: root.value.version,
    keys: [...root.value.roles.root.keys.keys()],
    certificateExpires: rootCertificateExpiry(root.value),
  };
}
