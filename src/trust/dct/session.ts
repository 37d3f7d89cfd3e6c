import type { KeyStore } from '../../keys/key-store.ts';
import type { PassphraseSource } from '../../keys/passphrase.ts';
import type { TrustReader } from './load.ts';

/** What changing a repository's trust data needs: its server, what was seen of it, and keys. */
export interface TrustSession extends TrustReader {
  readonly keys: KeyStore;
  /** Of keys that are there. */
  readonly open: PassphraseSource;
  /** For keys that are made. */
  readonly fresh: PassphraseSource;
  /** Tells a person what they should know: keys that were made, what ends soon. */
  readonly note: (line: string) => void;
}
