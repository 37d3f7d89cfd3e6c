import type { MasterKey } from '../notary/master-key.ts';
import type { Store } from '../store/store.ts';
import type { TrustReads } from '../store/trust-data.ts';
import type { NamedRegistry } from './accept-gun.ts';
import type { Passphrases } from './open-keys.ts';

/** What an import asks of the store. */
export type ImportReads = Pick<
  TrustReads,
  'trustFiles' | 'trustFile' | 'trustPin' | 'serverKeys' | 'trustChanges'
>;

/** The service that takes trust data over. */
export interface ImportTarget {
  readonly registries: readonly NamedRegistry[];
  readonly passphrases: Passphrases;
  readonly reads: ImportReads;
  /** `null`: nothing is written (`--dry-run`). */
  readonly writes: {
    readonly store: Pick<Store, 'commit'>;
    /** Of the service: what it signs with is sealed under it. */
    readonly masterKey: MasterKey;
    /** Who imports, for the record. */
    readonly actor: string;
  } | null;
  readonly now: Date;
  /** Also what stands under a timestamp that has ended and that nobody can sign anew. */
  readonly expiredTimestamps: boolean;
}

/** The store of a data folder that has none yet. */
export const EMPTY: ImportReads = {
  trustFiles: () => Promise.resolve(new Map()),
  trustFile: () => Promise.resolve(null),
  trustPin: () => Promise.resolve(null),
  serverKeys: () => Promise.resolve([]),
  trustChanges: () => Promise.resolve([]),
};
