import { namedImage } from '../gate/decisions/named-image.ts';
import { refused } from '../gate/outcome.ts';
import { judgePull } from '../gate/pull/judge.ts';
import { mayRead } from '../gate/pull/resolve.ts';
import type { Decision } from '../policy/decision.ts';
import type { AskedImage } from './asked-image.ts';
import { lookUp, recordOf } from './asked-image.ts';
import type { AdmissionPorts } from './ports.ts';
import type { ImageVerdict } from './verdict.ts';
import { byDecision, enforces, leftAlone, noCredentials, refusal } from './verdict.ts';

/**
 * Whether an object may name this image: as the gate would decide a pull of its digest (where a tag
 * stands beside the digest, the digest is what runs and what is judged, T-06). Under a policy that
 * enforces, a reference without digest is refused: the node would resolve it again, and be answered
 * something else (T-01). Rejects with what goes wrong.
 */
export async function validateImage(
  ports: AdmissionPorts,
  asked: AskedImage,
): Promise<ImageVerdict> {
  const { gate, registries } = ports;
  const { caller } = asked;
  const named = namedImage(registries, asked.image);
  if (!named.ok) return refusal(named.refusal);
  const { registry, reference } = named.value;
  const { repository, digest } = reference;
  const at = { registry, repository, caller };
  const governing = gate.evaluator.govern(registry, repository);
  const answer = async (decision: Decision, warnings: readonly string[] = []) =>
    byDecision(decision, await recordOf(ports, decision, asked), { warnings });

  if (digest !== undefined) {
    // Without identities the image has to be readable for everybody: the review brings no login.
    if (governing !== null && enforces(governing)) {
      const readable = await mayRead(gate, at, digest);
      if (readable.kind === 'relay') return refusal(noCredentials(repository, readable));
    }
    return answer(await judgePull(gate, { ...at, digest, tag: null, action: 'pull' }));
  }
  if (governing === null)
    return refusal(
      refused('NO_POLICY', `${repository} denied: no policy governs it; add one that matches it`),
    );
  const unpinned = `${asked.image} names no digest, so a node would resolve it again`;
  if (enforces(governing))
    return refusal(
      refused('NOT_PINNED', `${unpinned}; write @sha256:... or let /admission/mutate pin it`),
    );
  const found = await lookUp(ports, at, reference.tag ?? 'latest');
  if (found.kind === 'refused') return leftAlone(found.message, found.code);
  const { tag } = found;
  const decision = await judgePull(gate, { ...at, digest: found.digest, tag, action: 'pull' });
  return answer(decision, [unpinned]);
}
