import type { Logger } from '../lib/logger.ts';
import type { Clock } from '../lib/time.ts';
import type { Repository } from '../oci/reference.ts';
import type { Decision } from '../policy/decision.ts';
import type { Governing } from '../policy/policy.ts';
import type { Store } from '../store/store.ts';
import type { TrustData } from '../trust/dct/trust-data.ts';
import type { Authority, SignatureFormat, Verifier } from '../trust/format.ts';
import type { Access } from './access/access.ts';
import type { TrustState } from './in-force/trust-state.ts';
import type { Upstream } from './upstream/upstream.ts';

/** One registry that the gate stands in front of. */
export interface GateRegistry {
  /** Canonical host: the name clients use. */
  readonly host: string;
  readonly aliases: readonly string[];
  readonly upstream: Upstream;
  /** True where upstream itself judges the caller's own credentials. */
  readonly upstreamJudges: boolean;
}

/** Writes decisions to the record (see `log/`). */
export interface DecisionRecorder {
  /** Records a decision before it is answered; returns its number. Throws STORE_UNAVAILABLE. */
  decision(decision: Decision, actor: string): Promise<number | null>;
  /** Counts one more answer from a decision recorded before. */
  repeat(record: number): void;
}

/** What the gate counts. */
export interface GateCounters {
  decision(action: string, decision: string, code: string): void;
}

/** Everything that the gate needs from outside itself. */
export interface GatePorts {
  readonly store: Store;
  /** The formats whose signatures lie in the registry. */
  readonly formats: readonly SignatureFormat[];
  /** The formats that policies can ask for. */
  readonly verifiers: readonly Verifier[];
  readonly trust: TrustState;
  readonly recorder: DecisionRecorder;
  readonly access: Access;
  readonly counters: GateCounters;
  readonly log: Logger;
  readonly now: Clock;
  /** What governs a repository now; `null` where no policy does. */
  govern(repository: Repository, aliases: readonly string[]): Governing | null;
  /** The revision of the policy set in force. */
  policyRevision(): string;
  /** A repository's Notary v1 trust data; `null` where it surely has none. Throws where it cannot tell. */
  trustData(repository: Repository): Promise<TrustData | null>;
  /** The authorities of the policy set in force. */
  authorities(): readonly Authority[];
}
