import type { TrustAuthoriser } from '../gate/authorise/authorise-trust.ts';
import type { Caller } from '../gate/access/caller.ts';
import type { Gate } from '../gate/gate.ts';
import type { GateRegistry } from '../gate/ports.ts';
import type { Logger } from '../lib/logger.ts';
import type { Notary } from '../notary/notary.ts';
import type { Digest } from '../oci/digest.ts';
import type { Repository } from '../oci/reference.ts';
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
  /** A request of the Notary v1 protocol, by what it asked for. */
  notary(operation: string, status: number): void;
  /** The Prometheus exposition. */
  expose(): Promise<{ readonly contentType: string; readonly body: string }>;
}

/** Everything that the routes need. */
export interface HttpPorts {
  readonly gate: Gate;
  /** The Notary v1 service, and who may use it. */
  readonly notary: Notary;
  readonly trustRights: TrustAuthoriser;
  readonly registries: readonly GateRegistry[];
  /** Checks Authorization headers; `null` where the service has no identities of its own. */
  readonly identities: { authenticate(header: string | undefined): Promise<Identity> } | null;
  readonly counters: RequestCounters;
  readonly log: Logger;
  readonly version: string;
  /**
   * Tells the gate of a repository whose trust data have changed, and what is signed now and was not:
   * resolves when pushes that waited for it are promoted or durably bound to be. Throws nothing.
   */
  trustPublished(
    registry: GateRegistry,
    repository: Repository,
    signed: readonly Digest[],
    caller: Caller,
  ): Promise<void>;
  readiness(): Promise<Readiness>;
}
