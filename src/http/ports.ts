import type { Gate } from '../gate/gate.ts';
import type { Holds } from '../gate/hold.ts';
import type { GateRegistry } from '../gate/ports.ts';
import type { Logger } from '../lib/logger.ts';
import type { Identity } from './htpasswd.ts';

/** What the service says about itself on `/readyz`. */
export interface Readiness {
  readonly ready: boolean;
  /** What is loaded and what is wrong, for a person; never a secret. */
  readonly body: Readonly<Record<string, unknown>>;
}

/** Counts requests; labels are bounded by the caller (T-67). */
export interface RequestCounters {
  request(route: string, method: string, status: number, seconds: number): void;
  /** An answer was a refusal with this code of the error table. */
  refusal(code: string): void;
  /** How a review of Kubernetes ended: `allow`, `deny`, or `error` where there was none to answer. */
  admission(webhook: string, outcome: string): void;
  /** The Prometheus exposition. */
  expose(): Promise<{ readonly contentType: string; readonly body: string }>;
}

/** Everything that the routes need. */
export interface HttpPorts {
  readonly gate: Gate;
  readonly holds: Holds;
  readonly registries: readonly GateRegistry[];
  /** Checks Authorization headers; `null` where the service has no identities of its own. */
  readonly identities: { authenticate(header: string | undefined): Promise<Identity> } | null;
  readonly counters: RequestCounters;
  readonly log: Logger;
  readonly version: string;
  readiness(): Promise<Readiness>;
}
