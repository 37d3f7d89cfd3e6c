import type { Digest } from '../../oci/digest.ts';
import { shortDigest } from '../../oci/digest.ts';
import type { Decision } from '../../policy/decision.ts';
import type { Gate } from '../gate.ts';
import { expiredForPull, heldForPull } from '../hold/how-to-sign.ts';
import type { Refused } from '../outcome.ts';
import { refused } from '../outcome.ts';
import type { Relayed } from '../upstream/upstream.ts';
import type { Question } from '../verdict/evaluate.ts';
import { hasMoved, signedTag } from './signed-tag.ts';

/** Where something is asked for, and by whom. */
export type Asked = Pick<Question, 'registry' | 'repository' | 'caller'>;

/** The digest that is meant, and the tag that it was asked by. */
export interface Resolved {
  readonly kind: 'digest';
  readonly digest: Digest;
  readonly tag: string | null;
}

/**
 * Turns a tag into a digest, once: by the signed map where the policy says so and it has the tag, else
 * by the registry. A tag that is not there is refused, with what waits for it.
 */
export async function resolveTag(
  gate: Gate,
  asked: Asked,
  tag: string,
): Promise<Resolved | Refused | Relayed> {
  const { registry, repository, caller } = asked;
  const signed = await signedTag(gate, { registry, repository, tag });
  if (signed !== null) {
    // The registry is not asked what the tag is, but whether this caller may read what is signed.
    const read = await mayRead(gate, asked, signed);
    if (read.kind === 'relay') return read;
    if (read.kind === 'absent') return unknown(asked, `${tag} (${shortDigest(signed)})`);
    return { kind: 'digest', digest: signed, tag };
  }
  const answer = await gate.tags.resolve(registry, repository, tag, caller);
  if (answer.kind === 'relay') return answer;
  if (answer.kind === 'absent') return (await held(gate, asked, tag)) ?? unknown(asked, tag);
  return { kind: 'digest', digest: answer.digest, tag };
}

/** A publish that comes between looking a tag up and judging it must not refuse it; one more each time must not keep a client for ever. */
const TRIES = 3;

/**
 * Finds the digest that is meant, judges it, and does both anew where the signed map has moved on in
 * between.
 */
export async function resolveAndJudge(
  gate: Gate,
  { registry, repository }: Asked,
  find: () => Promise<Resolved | Refused | Relayed>,
  take: (resolved: Resolved) => Promise<Decision> | Decision,
): Promise<Judged | Refused | Relayed> {
  for (let tries = 1; ; tries++) {
    const resolved = await find();
    if (resolved.kind !== 'digest') return resolved;
    const { digest, tag } = resolved;
    const decision = await take(resolved);
    const final = decision.decision === 'allow' || tag === null || tries === TRIES;
    if (final || !(await hasMoved(gate, { registry, repository, tag }, digest))) {
      return { kind: 'judged', digest, decision };
    }
  }
}

/** A digest that was asked for, and the decision on it. */
interface Judged {
  readonly kind: 'judged';
  readonly digest: Digest;
  readonly decision: Decision;
}

/** Whether upstream lets the caller read a digest, for as long as the policy lets an old yes count. */
export function mayRead(
  gate: Gate,
  asked: Asked,
  digest: Digest,
): ReturnType<Gate['authoriser']['upstreamAllows']> {
  const { registry, repository, caller } = asked;
  const grace = graceOf(gate, asked);
  return gate.authoriser.upstreamAllows(registry, repository, digest, caller, grace);
}

/** How long what was known counts while upstream is down (`authGrace`), ms. */
export function graceOf(gate: Gate, { registry, repository }: Asked): number {
  return gate.evaluator.govern(registry, repository)?.policy.authGrace ?? 0;
}

/** Tells a caller whose tag is not there that a push of it waits for a signature, or waited in vain. */
async function held(
  gate: Gate,
  { registry, repository }: Asked,
  tag: string,
): Promise<Refused | null> {
  const { store } = gate.ports;
  const hold = (await store.holds({ repository, tag, states: ['waiting'] })).at(-1);
  if (hold !== undefined && hold.expiresAt > gate.ports.now().getTime()) {
    const message = await heldForPull(gate, { registry, hold });
    return refused('MANIFEST_UNKNOWN', message, { held: true });
  }
  const over = hold ?? (await store.holds({ repository, tag, states: ['expired'] })).at(-1);
  return over === undefined ? null : refused('MANIFEST_UNKNOWN', expiredForPull(over));
}

/** The refusal for what the registry does not have. */
export function unknown({ repository }: Asked, reference: string): Refused {
  return refused('MANIFEST_UNKNOWN', `${repository} has no manifest ${reference}`);
}
