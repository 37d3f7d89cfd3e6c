import { held } from '../../log/hold-events.ts';
import type { Decision } from '../../policy/decision.ts';
import type { Hold } from '../../store/store.ts';
import type { Gate } from '../gate.ts';
import { givenByPush } from '../hold/given-by-push.ts';
import { heldForPush } from '../hold/how-to-sign.ts';
import type { Refused } from '../outcome.ts';
import { refused, refusedBy, warningOf } from '../outcome.ts';
import { mayRead } from '../pull/resolve.ts';
import type { Relayed } from '../upstream/upstream.ts';
import type { PushOutcome, Pushed } from './give.ts';
import { give } from './give.ts';

/**
 * Gives one tag to an image, or holds it, as the policy says; refuses what is not trusted. Throws
 * where the store or the registry cannot be reached.
 */
export async function pushTag(gate: Gate, pushed: Pushed, tag: string): Promise<PushOutcome> {
  const { repository, digest, caller } = pushed;
  const first = await judgeTag(gate, pushed, tag);
  if ('kind' in first) return first;
  const waiting = waitingFor(gate, pushed, tag);
  return gate.tagLocks.run(`${repository}\n${tag}`, async () => {
    // Again now that it is this push's turn: trust may have been withdrawn while it waited for that.
    const decision = await judgeTag(gate, pushed, tag);
    if ('kind' in decision) return decision;
    if (decision.decision === 'deny') return hold(gate, pushed, waiting);
    await gate.recording.record(decision, caller);
    await gate.artifacts.alsoImage(repository, digest);
    const put = (): Promise<PushOutcome> => give(gate, pushed, tag);
    const outcome = await givenByPush(gate.ports.store, waiting, decision, put);
    gate.tags.forget(repository, tag);
    if (outcome.kind !== 'created') return outcome;
    return { ...outcome, warning: warningOf(decision) };
  });
}

/**
 * Whether the tag may be given: an allow, a denial that waits for a signature, a refusal, or upstream's
 * own answer to who could not read the evidence because upstream lets them read nothing here.
 */
export async function judgeTag(
  gate: Gate,
  pushed: Pushed,
  tag: string,
): Promise<Decision | Refused | Relayed> {
  const { registry, repository, digest, caller } = pushed;
  const question = { registry, repository, digest, tag, action: 'push', caller } as const;
  const decision = await gate.evaluator.judge(question);
  if (decision.decision === 'allow') return decision;
  if (decision.reason.code === 'CANNOT_VERIFY') {
    const said = await mayRead(gate, pushed, digest).catch(() => null);
    if (said?.kind === 'relay' && said.status !== 429) return said;
  }
  if (!waits(gate, pushed, decision))
    return refusedBy(decision, await gate.recording.record(decision, caller));
  if (!registry.upstreamJudges || caller.authorization === null) return decision;
  // Promotion would need rights in the registry that only this caller has, now.
  const message = `${repository} holds pushes, but the gate has no credentials of its own for this registry`;
  return refused('NOT_TRUSTED', `${message}; sign before pushing, or configure credentials`);
}

/** True where a tag that is refused for want of a signature waits for it. */
function waits(gate: Gate, { registry, repository }: Pushed, decision: Decision): boolean {
  const rule = gate.evaluator.govern(registry, repository)?.policy.push;
  return decision.reason.code === 'NOT_TRUSTED' && rule === 'hold';
}

function waitingFor(gate: Gate, pushed: Pushed, tag: string): Omit<Hold, 'id' | 'state'> {
  const { repository, digest, bytes, caller, registry } = pushed;
  const pushedAt = gate.ports.now().getTime();
  const holdFor = gate.evaluator.govern(registry, repository)?.policy.holdFor ?? 0;
  const { mediaType } = pushed.manifest;
  const expiresAt = pushedAt + holdFor;
  return {
    repository,
    tag,
    digest,
    mediaType,
    manifest: bytes,
    pushedBy: caller.name,
    pushedAt,
    expiresAt,
  };
}

/** Stores the manifest upstream by digest, and durably remembers which tag waits for it. */
async function hold(
  gate: Gate,
  pushed: Pushed,
  waiting: Omit<Hold, 'id' | 'state'>,
): Promise<PushOutcome> {
  const outcome = await give(gate, pushed, pushed.digest);
  if (outcome.kind !== 'created') return outcome;
  await gate.ports.store.commit([
    { kind: 'hold-add', hold: waiting },
    { kind: 'event', event: held(waiting) },
  ]);
  const warning = await heldForPush(gate, { registry: pushed.registry, hold: waiting });
  return { ...outcome, held: true, warning };
}
