import { namedImage } from '../gate/decisions/named-image.ts';
import { judgePull } from '../gate/pull/judge.ts';
import type { AskedImage } from './asked-image.ts';
import { lookUp, recordOf } from './asked-image.ts';
import type { AdmissionPorts } from './ports.ts';
import type { ImageVerdict } from './verdict.ts';
import { byDecision, enforces, leftAlone, refusal } from './verdict.ts';

/**
 * Gives a reference the digest that its tag means now: `name:tag@digest`, the name as it was written,
 * for nodes find their mirrors and logins by it. The tag is judged by name here and nowhere else,
 * since validation sees the digest alone: what the gate would refuse under this tag (revoked, signed
 * for another tag, not signed) is refused and not pinned. Left alone: what has a digest, and what is
 * no reference or not of a registry that the gate serves, which validation refuses.
 * Rejects with what goes wrong.
 */
export async function pinImage(ports: AdmissionPorts, asked: AskedImage): Promise<ImageVerdict> {
  const { gate, registries } = ports;
  const { caller, image } = asked;
  const named = namedImage(registries, image);
  if (!named.ok) return leftAlone(null, named.refusal.code);
  const { registry, reference } = named.value;
  const { repository } = reference;
  if (reference.digest !== undefined) return leftAlone(null, 'has a digest');
  const at = { registry, repository, caller };
  const tag = reference.tag ?? 'latest';
  const found = await lookUp(ports, at, tag);
  if (found.kind === 'refused') {
    // A policy that refuses nothing must not refuse what could not be pinned either.
    if (enforces(gate.evaluator.govern(registry, repository))) return refusal(found);
    return leftAlone(`${image} was not pinned: ${found.message}`, found.code);
  }
  const { digest } = found;
  const decision = await judgePull(gate, { ...at, digest, tag, action: 'pull' });
  // What is let through is recorded, and warned about, by validation, under the digest.
  const record = decision.decision === 'deny' ? await recordOf(ports, decision, asked) : null;
  const written = reference.tag === undefined ? `${image}:${tag}` : image;
  const verdict = byDecision(decision, record, { pinned: `${written}@${digest}` });
  return verdict.allowed ? { ...verdict, warnings: [] } : verdict;
}
