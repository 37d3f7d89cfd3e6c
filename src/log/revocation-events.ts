import type { JsonObject } from '../lib/json.ts';
import type { NewEvent, Revocation } from '../store/store.ts';
import type { EventType } from './event-types.ts';
import type { About } from './event.ts';
import { cut, event } from './event.ts';

function revocationEvent(
  type: EventType,
  revocation: Revocation,
  actor: string,
  nonce: string,
): NewEvent {
  const about: About =
    revocation.kind === 'digest'
      ? { repository: revocation.repository, digest: revocation.digest }
      : revocation.kind === 'tag'
        ? { repository: revocation.repository, tag: revocation.tag }
        : {};
  const data: JsonObject = {
    kind: revocation.kind,
    reason: cut(revocation.reason),
    ...(revocation.kind === 'key' ? { keyId: revocation.keyId } : {}),
  };
  return event('sig', type, about, actor, data, [nonce]);
}

/** `revocation`: trust was withdrawn. `nonce` is the same for every try of one request, and for that one only. */
export function revoked(revocation: Revocation, actor: string, nonce: string): NewEvent {
  return revocationEvent('revocation', revocation, actor, nonce);
}

/** `revocation-undone`: a revocation was taken back. `nonce` as for {@link revoked}. */
export function revocationUndone(revocation: Revocation, actor: string, nonce: string): NewEvent {
  return revocationEvent('revocation-undone', revocation, actor, nonce);
}
