import { randomBytes, scrypt } from 'node:crypto';
import { promisify } from 'node:util';
import nacl from 'tweetnacl';
import { decodeBase64 } from '../lib/bytes.ts';
import type { Json } from '../lib/json.ts';
import { isObject, parseJson } from '../lib/json.ts';
import { LIMITS } from '../lib/limits.ts';
import type { Result } from '../lib/result.ts';
import { ok, refuse } from '../lib/result.ts';
import { encodePem } from './pem.ts';

const derive = promisify<string, Uint8Array, number, object, Buffer>(scrypt);

/** The PEM labels of cosign's encrypted key files; the first is the one that it writes. */
export const COSIGN_LABELS: readonly string[] = [
  'ENCRYPTED SIGSTORE PRIVATE KEY',
  'ENCRYPTED COSIGN PRIVATE KEY',
];

const DEFAULT_N = 65_536;
/** What cosign itself allows; a file must not choose how much we compute. */
const ALLOWED_N: readonly Json[] = [32_768, DEFAULT_N, 131_072];
const MAX_MEMORY = 256 * 1024 * 1024;

interface Envelope {
  readonly N: number;
  readonly salt: Buffer;
  readonly nonce: Buffer;
  readonly ciphertext: Buffer;
}

/** Decrypts the body of a cosign key file: scrypt, then NaCl secretbox. Gives the DER PrivateKeyInfo. */
export async function decryptCosign(body: Uint8Array, passphrase: string): Promise<Result<Buffer>> {
  const envelope = readEnvelope(body);
  if (!envelope.ok) return envelope;
  const { N, salt, nonce, ciphertext } = envelope.value;
  const key = await derive(passphrase, salt, 32, { N, r: 8, p: 1, maxmem: MAX_MEMORY });
  const plain = nacl.secretbox.open(ciphertext, nonce, key);
  if (plain === null) return refuse('PASSPHRASE_WRONG', 'the passphrase does not open the key');
  return ok(Buffer.from(plain));
}

function readEnvelope(body: Uint8Array): Result<Envelope> {
  const parsed = parseJson(body, { maxBytes: LIMITS.keyFileBytes, maxDepth: 4 });
  if (!parsed.ok) {
    return refuse(
      'KEY_INVALID',
      `expected cosign's encrypted key as JSON: ${parsed.refusal.message}`,
    );
  }
  const kdf = member(parsed.value, 'kdf');
  const params = member(kdf, 'params');
  const cipher = member(parsed.value, 'cipher');
  const N = member(params, 'N');
  const known =
    member(kdf, 'name') === 'scrypt' &&
    member(cipher, 'name') === 'nacl/secretbox' &&
    ALLOWED_N.includes(N ?? null) &&
    member(params, 'r') === 8 &&
    member(params, 'p') === 1;
  if (!known) {
    return refuse(
      'KEY_INVALID',
      "expected cosign's parameters (scrypt with N 32768, 65536 or 131072, r 8, p 1, and nacl/secretbox), found others",
    );
  }
  const salt = base64Member(kdf, 'salt', nacl.secretbox.keyLength);
  const nonce = base64Member(cipher, 'nonce', nacl.secretbox.nonceLength);
  const ciphertext = base64Member(parsed.value, 'ciphertext', null);
  if (salt === undefined || nonce === undefined || ciphertext === undefined) {
    return refuse('KEY_INVALID', "expected base64 salt, nonce and ciphertext in cosign's key file");
  }
  return ok({ N: Number(N), salt, nonce, ciphertext });
}

function member(value: Json | undefined, name: string): Json | undefined {
  return isObject(value) ? value[name] : undefined;
}

function base64Member(
  value: Json | undefined,
  name: string,
  length: number | null,
): Buffer | undefined {
  const text = member(value, name);
  const bytes = typeof text === 'string' ? decodeBase64(text) : undefined;
  return length !== null && bytes?.length !== length ? undefined : bytes;
}

/** Encrypts a DER PrivateKeyInfo into the PEM file that `cosign generate-key-pair` would write. */
export async function encryptCosign(pkcs8: Uint8Array, passphrase: string): Promise<string> {
  const salt = randomBytes(32);
  const nonce = randomBytes(nacl.secretbox.nonceLength);
  const options = { N: DEFAULT_N, r: 8, p: 1, maxmem: MAX_MEMORY };
  const key = await derive(passphrase, salt, 32, options);
  const ciphertext = Buffer.from(nacl.secretbox(pkcs8, nonce, key));
  const body = JSON.stringify({
    kdf: {
      name: 'scrypt',
      params: { N: DEFAULT_N, r: 8, p: 1 },
      salt: salt.toString('base64'),
    },
    cipher: { name: 'nacl/secretbox', nonce: nonce.toString('base64') },
    ciphertext: ciphertext.toString('base64'),
  });
  return encodePem(COSIGN_LABELS[0] ?? '', Buffer.from(body));
}
