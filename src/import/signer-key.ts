import { compactDecrypt, errors } from 'jose';
import type { PrivateKey } from '../keys/private-key.ts';
import { ed25519FromSeed, privateKeyFromDer } from '../keys/private-key.ts';
import { quote } from '../lib/quote.ts';
import type { Result } from '../lib/result.ts';
import { ok, refuse } from '../lib/result.ts';
import type { ServerKey } from '../store/trust-data.ts';
import { tufKeyId, tufKeyOf } from '../tuf/public-key.ts';
import type { SourceKey } from './source.ts';

/** A key of the other server, opened: the same id, the same public half. */
export interface OpenedKey extends Pick<ServerKey, 'id' | 'role' | 'usedAt'> {
  readonly createdAt: number | null;
  readonly privateKey: PrivateKey;
}

const KEY_WRAP = 'PBES2-HS256+A128KW';
const ENCRYPTION = 'A256GCM';

/**
 * Opens a key as notary-signer sealed it (dct-protocol 6.3), and checks that it is the one that its
 * id and public half name. `role` is what it signs. Refuses with PASSPHRASE_WRONG or KEY_INVALID.
 */
export async function openSignerKey(
  key: SourceKey,
  role: ServerKey['role'],
  passphrase: string,
): Promise<Result<OpenedKey>> {
  const { algorithm } = key;
  const name = `${role} key ${key.id.slice(0, 12)}`;
  const bad = (why: string): Result<never> => refuse('KEY_INVALID', `${name}: ${why}`);
  if (algorithm !== 'ecdsa' && algorithm !== 'ed25519') {
    return bad(`expected ecdsa or ed25519, found ${quote(algorithm, 40)}`);
  }
  const publicKey = Buffer.from(key.publicKey).toString('base64');
  if (tufKeyId(algorithm, publicKey) !== key.id)
    return bad('its id is not that of its public half');
  const plain = await unseal(key, name, passphrase);
  if (!plain.ok) return plain;
  const opened = parsePlain(plain.value, algorithm);
  if (!opened.ok) return bad(opened.refusal.message);
  if (tufKeyOf(opened.value.publicKey).id !== key.id) {
    return bad('its private half belongs to another key');
  }
  const { id, createdAt, usedAt } = key;
  return ok({ id, role, createdAt, usedAt, privateKey: opened.value });
}

async function unseal(
  key: SourceKey,
  name: string,
  passphrase: string,
): Promise<Result<Uint8Array>> {
  try {
    const { plaintext } = await compactDecrypt(key.sealed, Buffer.from(passphrase), {
      keyManagementAlgorithms: [KEY_WRAP],
      contentEncryptionAlgorithms: [ENCRYPTION],
    });
    return ok(plaintext);
  } catch (error) {
    if (error instanceof errors.JWEDecryptionFailed) {
      return refuse(
        'PASSPHRASE_WRONG',
        `the passphrase of alias ${quote(key.alias, 50)} does not open ${name}`,
      );
    }
    // jose names what it expected of the envelope, never what is in it.
    const why = error instanceof errors.JOSEError ? error.code : 'it is damaged';
    return refuse(
      'KEY_INVALID',
      `${name}: expected a JWE of ${KEY_WRAP} and ${ENCRYPTION}, found ${quote(key.keyWrap, 30)} and ${quote(key.encryption, 30)} (${why})`,
    );
  }
}

/** ECDSA as SEC 1 DER; Ed25519 as the public half and Go's private one (seed and public half). */
function parsePlain(bytes: Uint8Array, algorithm: 'ecdsa' | 'ed25519'): Result<PrivateKey> {
  if (algorithm === 'ecdsa') return privateKeyFromDer(bytes, 'sec1');
  if (bytes.length !== 96) {
    return refuse('KEY_INVALID', `expected 96 bytes of Ed25519, found ${bytes.length}`);
  }
  return ed25519FromSeed(bytes.subarray(32, 64));
}
