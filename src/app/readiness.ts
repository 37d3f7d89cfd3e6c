import type { PoliciesInForce } from '../gate/in-force/policies.ts';
import type { Htpasswd } from '../http/htpasswd.ts';
import type { Readiness } from '../http/ports.ts';
import { messageOf } from '../lib/errors.ts';
import type { Notary } from '../notary/notary.ts';
import type { Store } from '../store/store.ts';

/** Whether the service can answer: its store must take writes; policies and identities that did not reload are said, and what keeps the trust server from signing. Throws nothing. */
export async function readiness(
  store: Store,
  policies: PoliciesInForce,
  identities: Htpasswd | null,
  notary: Notary,
): Promise<Readiness> {
  const problem = policies.problem();
  const common = {
    policies: { revision: policies.revision(), problem: problem === null ? null : problem.message },
    identities: identities === null ? null : { problem: identities.problem() },
  };
  try {
    const trustServer = await notary.health();
    await store.trustRevision();
    // Reads go on where the writer has died; a list of nothing asks it without writing.
    await store.commit([]);
    return { ready: true, body: { status: 'ready', ...common, trustServer } };
  } catch (error) {
    return { ready: false, body: { status: 'not ready', store: messageOf(error), ...common } };
  }
}
