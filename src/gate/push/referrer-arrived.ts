import type { Gate } from '../gate.ts';
import { signatureArrived } from '../hold/arrival.ts';
import { recogniseReferrer } from '../pull/artifact-reads.ts';
import type { Pushed } from './give.ts';

/**
 * A manifest that names a subject was pushed by digest. Where it is a signature or attestation, it is
 * remembered as that, and whatever waited for it is promoted. Throws STORE_UNAVAILABLE where it could
 * not be remembered; what could not be read now is recognised when it is asked for.
 */
export async function referrerArrived(gate: Gate, pushed: Pushed): Promise<void> {
  const { registry, repository, digest, manifest, caller } = pushed;
  if (manifest.subject === undefined) return;
  const question = { registry, repository, digest, caller };
  const subject = await recogniseReferrer(gate, question, manifest);
  if (subject !== null) await signatureArrived(gate, registry, repository, subject, caller);
}
