import type { Clock } from '../lib/time.ts';
import type { Logger } from '../lib/logger.ts';
import type { Repository } from '../oci/reference.ts';
import type { Store } from '../store/store.ts';
import type { MasterKey } from './master-key.ts';
import type { RootPin } from '../tuf/root-pin.ts';

/** The type of the keys that the server makes for itself. */
export type ServerKeyType = 'ecdsa-p256' | 'ed25519';

/** What the Notary v1 service works with. */
export interface NotaryPorts {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Logger;
  readonly masterKey: MasterKey;
  readonly keyType: ServerKeyType;
  /** The roots that policy pins for a repository, all of which hold; `null` where it pins none. */
  pinnedRoots(repository: Repository): readonly RootPin[] | null;
}
