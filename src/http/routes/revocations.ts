import { refused } from '../../gate/outcome.ts';
import type { Refused } from '../../gate/outcome.ts';
import { revoke } from '../../gate/in-force/revoke.ts';
import { notaryKeyId } from '../../keys/notary-key-id.ts';
import type { Json } from '../../lib/json.ts';
import { quote } from '../../lib/quote.ts';
import { splitRepository } from '../../oci/reference.ts';
import type { Revocation } from '../../store/store.ts';
import type { ApiAnswer, ApiRequest } from './api-request.ts';
import { imageOf } from './api-request.ts';

const KEYS = ['image', 'key', 'reason', 'undo'];

/** `POST /api/v1/revocations`: takes trust from a tag, a digest or a key, or gives it back; in force with the answer. */
export async function revocations({ ports, body, caller }: ApiRequest): Promise<ApiAnswer> {
  const unknown = Object.keys(body).find((key) => !KEYS.includes(key));
  if (unknown !== undefined)
    return refused('REQUEST_INVALID', `expected ${KEYS.join(', ')}; found ${quote(unknown, 40)}`);
  const reason = body['reason'] ?? '';
  const undo = body['undo'] ?? false;
  if (typeof reason !== 'string' || reason.length > 200)
    return refused('REQUEST_INVALID', 'expected "reason" to be text of at most 200 characters');
  if (typeof undo !== 'boolean')
    return refused('REQUEST_INVALID', 'expected "undo" to be true or false');
  if ((body['image'] === undefined) === (body['key'] === undefined))
    return refused('REQUEST_INVALID', 'expected either "image" or "key"');
  const { access } = ports.gate.ports;
  let revocation: Revocation;
  if (body['key'] !== undefined) {
    const key = await keyRevocation(ports, body['key'], { reason, undo });
    if (key.kind === 'refused') return key;
    revocation = key;
    const hosts = ports.registries.map((one) => one.host);
    if (!access.mayEverywhere(caller, 'admin', hosts))
      return refused(
        'FORBIDDEN',
        `${caller.name} may not revoke keys; that needs admin everywhere`,
      );
  } else {
    const image = imageRevocation(ports, body['image'], reason);
    if (image.kind === 'refused') return image;
    revocation = image;
    if (!access.may(caller, 'admin', image.repository))
      return refused(
        'FORBIDDEN',
        `${caller.name} may not revoke in ${image.repository}; that needs admin`,
      );
  }
  const record = await revoke(ports.gate.ports, revocation, undo, caller);
  return {
    kind: 'json',
    body: { revocation, undone: undo, record, ...known(ports, revocation) },
  };
}

/** For a key: whether a policy in force names it. One that none names may be a slip, or an id of another kind. */
function known(ports: ApiRequest['ports'], revocation: Revocation): { known?: boolean } {
  if (revocation.kind !== 'key') return {};
  const keys = ports.gate.ports.authorities().flatMap((authority) => authority.keys);
  return { known: keys.some((key) => key.id === revocation.keyId) };
}

/** `GET /api/v1/revocations`: those in force that the caller may see: of repositories it may pull from, and of keys. */
export async function listRevocations({ ports, caller }: ApiRequest): Promise<ApiAnswer> {
  const { access, store } = ports.gate.ports;
  const all = await store.revocations();
  const visible = all.filter(
    (one) => one.kind === 'key' || access.may(caller, 'pull', one.repository),
  );
  return {
    kind: 'json',
    body: { revocations: visible.map((one) => ({ ...one, at: new Date(one.at).toISOString() })) },
  };
}

/**
 * A key of a policy may be named by Notary's id, too, which is what docker shows of it. What was revoked under
 * that id, before a policy listed the key, is taken back under it.
 */
async function keyRevocation(
  ports: ApiRequest['ports'],
  key: Json,
  { reason, undo }: { readonly reason: string; readonly undo: boolean },
): Promise<(Revocation & { kind: 'key' }) | Refused> {
  if (typeof key !== 'string' || !/^[0-9a-f]{64}$/.test(key))
    return refused(
      'REQUEST_INVALID',
      'expected "key" to be a key id of 64 hex digits (countersign key list)',
    );
  const { gate } = ports;
  const keys = gate.ports.authorities().flatMap((authority) => authority.keys);
  const named = keys.find((one) => one.id === key || notaryKeyId(one) === key);
  if (undo) {
    const ids = [key, ...(named === undefined ? [] : [named.id, notaryKeyId(named)])];
    const all = await gate.ports.store.revocations();
    const there = all.find((one) => one.kind === 'key' && ids.includes(one.keyId));
    if (there?.kind === 'key') return { kind: 'key', keyId: there.keyId, reason };
  }
  return { kind: 'key', keyId: named?.id ?? key, reason };
}

function imageRevocation(
  ports: ApiRequest['ports'],
  text: Json | undefined,
  reason: string,
): Exclude<Revocation, { kind: 'key' }> | Refused {
  const image = imageOf(ports, text);
  if ('kind' in image) return image;
  const { repository, tag, digest } = image.reference;
  if (digest !== undefined) return { kind: 'digest', repository, digest, reason };
  if (tag !== undefined) return { kind: 'tag', repository, tag, reason };
  const { path } = splitRepository(repository);
  return refused(
    'REQUEST_INVALID',
    `expected a tag or digest to revoke, found the whole repository ${path}; name :TAG or @sha256:…`,
  );
}
