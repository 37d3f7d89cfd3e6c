import { messageOf } from '../../lib/errors.ts';
import { signatureAccepted, signatureOf } from '../../log/signature-events.ts';
import type { Digest } from '../../oci/digest.ts';
import { hexOf } from '../../oci/digest.ts';
import type { Repository } from '../../oci/reference.ts';
import type { Hold } from '../../store/store.ts';
import type { Caller } from '../access/caller.ts';
import type { Gate } from '../gate.ts';
import type { GateRegistry } from '../ports.ts';
import { promoteIfTrusted } from './promote.ts';

/**
 * A signature for a digest has arrived: promotes what waits for it. Resolves once each promotion
 * is durably intended and was tried; one that upstream did not take is retried by the sweep.
 */
export async function signatureArrived(
  gate: Gate,
  registry: GateRegistry,
  repository: Repository,
  digest: Digest,
  caller: Caller,
): Promise<void> {
  gate.evaluator.verdicts.forget(repository, digest);
  // Fetched here, so that the first pull finds it; not a reason to fail for the signer.
  if (await recordSignatures(gate, registry, repository, digest, caller))
    await gate.fetcher.fetch(registry, repository, digest, caller).catch(() => null);
  const holds = await gate.ports.store.holds({ repository, digest, states: ['waiting'] });
  for (const hold of holds) await promoteIfTrusted(gate, registry, hold, caller);
}

/**
 * A repository's trust data have changed, whichever way: verdicts on it are taken anew. Promotes what
 * waits for what is signed now, where it is what the signed map says of the tag. Resolves once each
 * promotion is durably intended and was tried. Throws nothing: what went wrong is tried again by the sweep.
 */
export async function trustPublished(
  gate: Gate,
  registry: GateRegistry,
  repository: Repository,
  signed: readonly Digest[],
  caller: Caller,
): Promise<void> {
  gate.evaluator.verdicts.forgetRepository(repository);
  try {
    // Mostly nothing waits, and a publish may sign thousands of tags: who signed them the publish recorded.
    const waiting = await gate.ports.store.holds({ repository, states: ['waiting'] });
    if (waiting.length === 0) return;
    const named = new Set([...signed, ...(await inMap(gate, repository, waiting))]);
    // Of what is signed only what waits: each is a verdict, and one hold would make every one of them wait.
    for (const digest of new Set(waiting.map((hold) => hold.digest)))
      if (named.has(digest)) await signatureArrived(gate, registry, repository, digest, caller);
  } catch (error) {
    const fields = { repository, error: messageOf(error) };
    gate.ports.log.warn(fields, 'could not look at what waits; will try again');
  }
}

/** Of what waits, what some role of the map says that its tag is: a conflict may have ended, or a root come back. */
async function inMap(
  gate: Gate,
  repository: Repository,
  holds: readonly Hold[],
): Promise<readonly Digest[]> {
  const data = await gate.ports.trustData(repository);
  const roles = data?.current.ok === true ? [...data.current.value.tree.roles.values()] : [];
  return holds.flatMap(({ tag, digest }) =>
    roles.some(({ targets }) => targets.get(tag)?.sha256 === hexOf(digest)) ? [digest] : [],
  );
}

/** Records whose signatures are there now, with who brought them; true where they suffice. The verdict is warm for the first pull. */
async function recordSignatures(
  gate: Gate,
  registry: GateRegistry,
  repository: Repository,
  digest: Digest,
  caller: Caller,
): Promise<boolean> {
  const question = { registry, repository, digest, tag: null, action: 'pull', caller } as const;
  const decision = await gate.evaluator.judge(question);
  const facts = decision.findings.map((finding) => signatureOf({ repository, digest }, finding));
  const events = facts
    .filter((fact) => fact !== null)
    .map((fact) => signatureAccepted(fact, caller.name));
  if (events.length > 0)
    await gate.ports.store.commit(events.map((event) => ({ kind: 'event', event })));
  return decision.decision === 'allow';
}
