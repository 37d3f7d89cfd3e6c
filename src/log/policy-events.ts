import type { JsonObject } from '../lib/json.ts';
import type { NewEvent } from '../store/store.ts';
import { SERVICE, cut, event } from './event.ts';

/** File names that a policy load spells out. */
const FILES = 32;

/** `policy-loaded`: this set of policy files is in force. `nonce`: one per load, so that a return to an earlier set is recorded too. */
export function policyLoaded(
  set: { readonly revision: string; readonly files: readonly string[] },
  nonce: string,
): NewEvent {
  const files = set.files.slice(0, FILES).map(cut);
  const data: JsonObject = { revision: set.revision, files, fileCount: set.files.length };
  return event('sig', 'policy-loaded', {}, SERVICE, data, [nonce]);
}

/** `policy-rejected`: an edit of the policy files did not load; `kept` is the revision that stays in force (`null`: none). */
export function policyRejected(
  problem: { readonly message: string; readonly kept: string | null },
  nonce: string,
): NewEvent {
  const data: JsonObject = { message: cut(problem.message), kept: problem.kept };
  return event('sig', 'policy-rejected', {}, SERVICE, data, [nonce]);
}

/** `key-registered`: a policy set brought a key for an authority that was not known before. Recorded once. */
export function keyRegistered(key: {
  readonly authority: string;
  readonly keyId: string;
  readonly keyType: string;
}): NewEvent {
  const { authority, keyId, keyType } = key;
  return event('sig', 'key-registered', {}, SERVICE, { authority, keyId, keyType }, [
    authority,
    keyId,
    keyType,
  ]);
}
