import { sha256Hex } from '../lib/bytes.ts';
import type { PublicKey } from './key.ts';
import { rawEd25519, spkiOf } from './public-key.ts';

/** Decisions ask for those of all keys of a policy, and revoking one does. */
const known = new WeakMap<PublicKey, string>();

/**
 * Notary's canonical id of a key, which names its file in docker's key store: lower-case hex SHA-256
 * of the key as canonical JSON, the empty private half included.
 */
export function notaryKeyId(key: PublicKey): string {
  const id = known.get(key) ?? hashOf(key);
  known.set(key, id);
  return id;
}

function hashOf(key: PublicKey): string {
  const keytype = key.type.startsWith('ecdsa') ? 'ecdsa' : key.type;
  const bytes = key.type === 'ed25519' ? rawEd25519(key.key) : spkiOf(key.key);
  return sha256Hex(
    `{"keytype":"${keytype}","keyval":{"private":null,"public":"${bytes.toString('base64')}"}}`,
  );
}
