import type { JsonObject } from '../lib/json.ts';
import type { Decision } from '../policy/decision.ts';
import type { Hold, NewEvent } from '../store/store.ts';
import type { EventType } from './event-types.ts';
import { SERVICE, cut, event, policyOf } from './event.ts';

/** `hold`: an unsigned push was accepted, its tag waits for a signature. Recorded again when the same push is renewed. */
export function held(hold: Omit<Hold, 'id' | 'state'>): NewEvent {
  const { repository, tag, digest, mediaType, pushedBy, pushedAt, expiresAt } = hold;
  return event('sig', 'hold', hold, pushedBy, { mediaType, pushedAt, expiresAt }, [
    repository,
    tag,
    digest,
    mediaType,
    pushedBy,
    pushedAt,
    expiresAt,
  ]);
}

function holdEvent(type: EventType, hold: Hold, actor: string, more: JsonObject): NewEvent {
  return event('sig', type, hold, actor, { hold: hold.id, pushedBy: hold.pushedBy, ...more }, [
    hold.id,
    hold.repository,
    hold.tag,
    hold.digest,
    more,
  ]);
}

/**
 * `promotion-intended`: a held tag is about to be given upstream, by `decision`; durable before the
 * PUT. `attempt` tells a second promotion of the same hold (after it went back to waiting) from a
 * repeated first.
 */
export function promotionIntended(
  hold: Hold,
  decision: Decision,
  actor: string,
  attempt: string,
): NewEvent {
  return holdEvent('promotion-intended', hold, actor, {
    policy: policyOf(decision),
    code: decision.reason.code,
    attempt,
  });
}

/** `promoted`: the registry has given the held tag. */
export function promoted(hold: Hold): NewEvent {
  return holdEvent('promoted', hold, SERVICE, {});
}

/** `hold-expired`: no signature came in time; the hold was dropped. */
export function holdExpired(hold: Hold): NewEvent {
  return holdEvent('hold-expired', hold, SERVICE, { expiresAt: hold.expiresAt });
}

/** `hold-superseded`: the hold was dropped because a later one took its tag, or for the named reason; `actor` is who did it by hand. */
export function holdSuperseded(hold: Hold, reason: string, actor = SERVICE): NewEvent {
  return holdEvent('hold-superseded', hold, actor, { reason: cut(reason) });
}
