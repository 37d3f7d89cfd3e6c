import { CountersignError } from '../../lib/errors.ts';
import { isObject, parseJson } from '../../lib/json.ts';
import { unwrap } from '../../lib/result.ts';
import type { Repository } from '../../oci/reference.ts';
import type { TufKey } from '../../tuf/public-key.ts';
import { parseTufKey, tufKeyId } from '../../tuf/public-key.ts';
import type { TrustCalls } from './trust-calls.ts';
import { scope, trustPath } from './trust-calls.ts';

const KEY_BYTES = 256 * 1024;

/** The roles whose keys a server may hold. */
export type ServerRole = 'snapshot' | 'timestamp';

/** Asks for the server's key of a role (GET), or for another one to change to (POST). Throws as `TrustServer.key` does. */
export async function askServerKey(
  calls: TrustCalls,
  repository: Repository,
  role: ServerRole,
  method: 'GET' | 'POST',
): Promise<TufKey> {
  // An empty body is what docker sends with its POST; the right to rotate is that of everything.
  const scopes = scope(repository, method === 'GET' ? 'push,pull' : '*');
  const call = { method, target: trustPath(repository, `${role}.key`) };
  return calls.ask(call, scopes, async (answer) => {
    if (answer.status !== 200) throw await calls.refused(answer, repository, `the ${role} key`);
    return parseServerKey(await answer.read(KEY_BYTES), calls.host);
  });
}

/** Reads a server's public key (dct-protocol 1.4). Throws UPSTREAM_INVALID for one that could never verify anything. */
function parseServerKey(bytes: Uint8Array, host: string): TufKey {
  const parsed = parseJson(bytes, { maxBytes: KEY_BYTES });
  const { keytype, keyval } = parsed.ok && isObject(parsed.value) ? parsed.value : {};
  const publicHalf = isObject(keyval) ? keyval['public'] : undefined;
  const key =
    typeof keytype === 'string' && typeof publicHalf === 'string' && isObject(keyval)
      ? parseTufKey(tufKeyId(keytype, publicHalf), { keytype, keyval })
      : null;
  if (key !== null && unwrap(key).key !== null) return unwrap(key);
  throw new CountersignError(
    'UPSTREAM_INVALID',
    `expected a public key from ${host}, found none that is accepted`,
  );
}
