import { credentialKey } from '../gate/access/caller.ts';
import type { Caller } from '../gate/access/caller.ts';
import type { Gate } from '../gate/gate.ts';
import type { GateRegistry } from '../gate/ports.ts';

/** What admission needs: the gate's own engine and the registries that it serves. */
export interface AdmissionPorts {
  readonly gate: Gate;
  readonly registries: readonly GateRegistry[];
  /** True where the service has identities: it then reads with its own rights, for the API server has no name in it. */
  readonly ownRights: boolean;
}

/**
 * The caller of a review: the API server, which brings no credentials. The name is for the record
 * only; its prefix keeps it apart from every identity (those hold no colon).
 */
export function admissionCaller(username: string, ownRights: boolean): Caller {
  return {
    name: `kubernetes:${username}`,
    authenticated: false,
    authorization: null,
    credentialKey: ownRights ? 'own' : credentialKey(null),
    loopback: false,
  };
}
