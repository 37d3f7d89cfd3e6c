import type { EngineTlsFlags } from '../engine-tls.ts';
import type { Passphrases } from '../passphrase.ts';
import type { FlagKinds, Parsed } from './flags.ts';
import type { Talk } from './talk.ts';

/** What a command of the plugin has at hand. */
export interface Session {
  readonly talk: Talk;
  /** Docker's configuration folder, `--config` heeded. */
  readonly dockerConfig: string;
  /** `--host` and `--context` of docker itself, where they were given. */
  readonly host: string | undefined;
  readonly context: string | undefined;
  /** `--tls`, `--tlsverify` and its kin: for the engine alone. */
  readonly tls: EngineTlsFlags;
  readonly passphrases: Passphrases;
  /** `--debug` of docker itself: why something failed is told where docker's own message does not. */
  readonly debug: boolean;
}

/** A command of `docker trust`: throws a `TrustFailure`, or any error, to end with status 1. */
export interface TrustCommand {
  readonly flags: FlagKinds;
  run(session: Session, parsed: Parsed): Promise<void>;
}
