import { sha256 } from '../lib/bytes.ts';
import { canonicalJson } from '../lib/canonical-json.ts';
import type { Json, JsonObject } from '../lib/json.ts';
import type { Digest } from '../oci/digest.ts';
import type { Repository } from '../oci/reference.ts';
import type { Decision } from '../policy/decision.ts';
import type { LogName, NewEvent } from '../store/store.ts';
import type { EventType } from './event-types.ts';

/** The actor of what the service does by itself. */
export const SERVICE = 'countersign';

/** Longest free sentence in a record, in bytes as JSON writes it. */
const TEXT = 240;

/**
 * The idempotency key of an event: SHA-256 over the canonical JSON of its type and of the parts that
 * make it that one event. JSON, not a joined string, so that no delimiter in a name can make two
 * different events collide.
 */
function keyOf(type: string, ...parts: readonly Json[]): Uint8Array {
  return sha256(canonicalJson([type, ...parts]));
}

/** Cuts a sentence to the bound of a record: bytes as JSON writes them, so that escapes cannot swell it. */
export function cut(text: string): string {
  const cost = (part: string): number => Buffer.byteLength(JSON.stringify(part)) - 2;
  const whole = text.slice(0, TEXT + 1).toWellFormed();
  if (text.length <= TEXT && cost(whole) <= TEXT) return whole;
  let kept = '';
  let left = TEXT - cost('…');
  for (const character of whole) {
    left -= cost(character);
    if (left < 0) break;
    kept += character;
  }
  return `${kept}…`;
}

/** What an event speaks of, as far as it speaks of one thing. */
export interface About {
  readonly repository?: Repository | null;
  readonly tag?: string | null;
  readonly digest?: Digest | null;
}

/**
 * An event as it is kept. `key` is what makes it that one event: the same parts again are the same
 * event, recorded once.
 */
export function event(
  log: LogName,
  type: EventType,
  about: About,
  actor: string,
  data: JsonObject,
  key: readonly Json[],
): NewEvent {
  return {
    log,
    type,
    repository: about.repository ?? null,
    tag: about.tag ?? null,
    digest: about.digest ?? null,
    actor,
    data,
    idempotencyKey: keyOf(type, ...key),
  };
}

/** The policy that decided, as events name it; `null` where none governs. */
export function policyOf({ policy }: Decision): JsonObject | null {
  return policy === null ? null : { name: policy.name, revision: policy.revision };
}
