import { digestOf } from '../../oci/digest.ts';
import type { Gate } from '../gate.ts';
import type { Refused } from '../outcome.ts';
import { refused } from '../outcome.ts';
import type { Relayed } from '../upstream/upstream.ts';
import type { PushOutcome, PushRequest, Pushed } from './give.ts';
import { pushDigest, pushFailed, readPush } from './push.ts';
import { judgeTag, pushTag } from './tag.ts';

type Created = Extract<PushOutcome, { kind: 'created' }>;

/** How a push of several tags ends. */
export type TagsOutcome =
  | (Omit<Created, 'warning'> & {
      /** The tags that name the manifest now; those that wait for a signature are in `warnings`. */
      readonly given: readonly string[];
      readonly warnings: readonly string[];
    })
  | Refused
  | Relayed;

/**
 * A push by digest that names tags in its query (distribution-spec, end-7b): each tag is authorised
 * before any is given (T-31), then they are given one after the other, as if pushed by themselves, so
 * that every upstream can do it. What upstream took stays when a later one fails: the answer says
 * which, and the same push again completes it. Never throws.
 */
export async function pushTags(
  gate: Gate,
  request: PushRequest,
  tags: readonly string[],
): Promise<TagsOutcome> {
  try {
    const pushed = readPush(gate, request);
    if ('kind' in pushed) return pushed;
    const artifact = tags.find((tag) => gate.artifacts.tagged(tag) !== null);
    if (artifact !== undefined) {
      return refused(
        'ARTIFACT_INVALID',
        `expected tags of images, found ${artifact}, which is for signatures; push it by itself`,
      );
    }
    // A tag is read, and judged, by sha256, whatever algorithm the manifest was pushed by.
    const named: Pushed = { ...pushed, digest: digestOf(pushed.bytes) };
    for (const tag of tags) {
      const judged = await judgeTag(gate, named, tag);
      if ('kind' in judged) return judged;
    }
    const stored = await pushDigest(gate, pushed);
    return stored.kind === 'created' ? await giveAll(gate, named, tags, stored) : stored;
  } catch (error) {
    return pushFailed(gate, request, error);
  }
}

async function giveAll(
  gate: Gate,
  named: Pushed,
  tags: readonly string[],
  stored: Created,
): Promise<TagsOutcome> {
  const given: string[] = [];
  const warnings: string[] = [];
  let held = false;
  for (const [done, tag] of tags.entries()) {
    const outcome = await pushTag(gate, named, tag).catch((error: unknown) =>
      pushFailed(gate, named, error),
    );
    if (outcome.kind !== 'created')
      return done === 0 ? outcome : incomplete(named, tags, done, outcome);
    if (outcome.warning !== null) warnings.push(outcome.warning);
    if (outcome.held) held = true;
    else given.push(tag);
  }
  return { kind: 'created', digest: stored.digest, subject: stored.subject, held, given, warnings };
}

/** Some tags are done and the next is not: told with the status of what went wrong. */
function incomplete(
  { repository }: Pushed,
  tags: readonly string[],
  done: number,
  failed: Refused | Relayed,
): Refused | Relayed {
  // The client logs in again with upstream's challenge, and pushes all of it again.
  if (failed.kind === 'relay' && failed.status === 401) return failed;
  const why = failed.kind === 'relay' ? `the registry answered ${failed.status}` : failed.message;
  const message = `${repository}: ${done} of ${tags.length} tags done, ${tags[done]} and what follows is not: ${why}`;
  if (failed.kind === 'refused') return { ...failed, message };
  // A rate limit goes away by itself, and so does what 503 is for; other refusals of upstream do not.
  return refused('TAGS_INCOMPLETE', message, {
    retryAfter: 5,
    ...(failed.status === 429 ? {} : { status: failed.status }),
  });
}
