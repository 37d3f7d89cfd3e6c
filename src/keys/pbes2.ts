import { createCipheriv, createDecipheriv, pbkdf2, randomBytes, scrypt } from 'node:crypto';
import { promisify } from 'node:util';
import type { Result } from '../lib/result.ts';
import { ok, refuse } from '../lib/result.ts';
import type { DerElement } from './der.ts';
import {
  TAG,
  childrenOf,
  countOf,
  encodeCount,
  encodeElement,
  encodeOid,
  octetsOf,
  oidOf,
  readSequence,
} from './der.ts';

const deriveByPbkdf2 = promisify(pbkdf2);
const deriveByScrypt = promisify<string, Uint8Array, number, object, Buffer>(scrypt);

// Content octets of object identifiers, in hex (RFC 8018, RFC 7914, NIST AES).
const PBES2 = '2a864886f70d01050d';
const PBKDF2 = '2a864886f70d01050c';
const SCRYPT = '2b06010401da47040b';
const AES_256_CBC = '60864801650304012a';
const PRFS: Readonly<Record<string, string>> = {
  '2a864886f70d0207': 'sha1',
  '2a864886f70d0209': 'sha256',
  '2a864886f70d020a': 'sha384',
  '2a864886f70d020b': 'sha512',
};
const CIPHERS: Readonly<Record<string, { readonly name: string; readonly keyBytes: number }>> = {
  '608648016503040102': { name: 'aes-128-cbc', keyBytes: 16 },
  '608648016503040116': { name: 'aes-192-cbc', keyBytes: 24 },
  [AES_256_CBC]: { name: 'aes-256-cbc', keyBytes: 32 },
  '2a864886f70d0307': { name: 'des-ede3-cbc', keyBytes: 24 },
};
/** A file must not choose how long we compute: ten million rounds are about five seconds. */
const MAX_ITERATIONS = 10_000_000;
const SCRYPT_MEMORY = 256 * 1024 * 1024;

type Derive = (passphrase: string, keyBytes: number) => Promise<Buffer>;

const unsupported = refuse(
  'KEY_INVALID',
  'expected an encrypted PKCS#8 key by PBES2 (PBKDF2 or scrypt, with AES-CBC or 3DES), found another encryption; convert it with: openssl pkcs8 -topk8 -v2 aes256 -in FILE',
);

/**
 * Decrypts a DER EncryptedPrivateKeyInfo (RFC 5958) as OpenSSL and docker write it. The passphrase
 * is checked by nothing but the padding: the caller must check what comes out.
 */
export async function decryptPkcs8(der: Uint8Array, passphrase: string): Promise<Result<Buffer>> {
  const [scheme, data, ...rest] = readSequence(der) ?? [];
  const [pbes2, parameters] = childrenOf(scheme) ?? [];
  const [kdf, encryption] = childrenOf(parameters) ?? [];
  const ciphertext = octetsOf(data);
  const [cipherOid, ivElement] = childrenOf(encryption) ?? [];
  const cipher = CIPHERS[oidOf(cipherOid) ?? ''];
  const iv = octetsOf(ivElement);
  const derive = readKdf(kdf);
  if (oidOf(pbes2) !== PBES2 || rest.length > 0 || derive === undefined) return unsupported;
  if (cipher === undefined || iv === undefined || ciphertext === undefined) return unsupported;
  const key = await derive(passphrase, cipher.keyBytes);
  try {
    const decipher = createDecipheriv(cipher.name, key, iv);
    return ok(Buffer.concat([decipher.update(ciphertext), decipher.final()]));
  } catch {
    return refuse('PASSPHRASE_WRONG', 'the passphrase does not open the key');
  }
}

function readKdf(element: DerElement | undefined): Derive | undefined {
  const [name, parameters, ...rest] = childrenOf(element) ?? [];
  const list = childrenOf(parameters);
  if (list === undefined || rest.length > 0) return undefined;
  switch (oidOf(name)) {
    case PBKDF2:
      return readPbkdf2(list);
    case SCRYPT:
      return readScrypt(list);
    default:
      return undefined;
  }
}

function readPbkdf2(list: readonly DerElement[]): Derive | undefined {
  const salt = octetsOf(list[0]);
  const iterations = countOf(list[1]) ?? 0;
  // Optional: the key's length, then the PRF, which is HMAC-SHA-1 where it is absent.
  const length = list[2]?.tag === TAG.integer ? list[2] : undefined;
  const prfElement = list[length === undefined ? 2 : 3];
  const prf = prfElement === undefined ? 'sha1' : PRFS[oidOf(childrenOf(prfElement)?.[0]) ?? ''];
  if (salt === undefined || prf === undefined) return undefined;
  if (iterations < 1 || iterations > MAX_ITERATIONS) return undefined;
  return (passphrase, keyBytes) =>
    deriveByPbkdf2(Buffer.from(passphrase, 'utf8'), salt, iterations, keyBytes, prf);
}

function readScrypt(list: readonly DerElement[]): Derive | undefined {
  const salt = octetsOf(list[0]);
  const [N = 0, r = 0, p = 0] = list.slice(1, 4).map((element) => countOf(element));
  if (salt === undefined || N < 2 || r < 1 || p < 1 || p > 16) return undefined;
  if ((N & (N - 1)) !== 0 || 128 * N * r * p > SCRYPT_MEMORY) return undefined;
  return (passphrase, keyBytes) =>
    deriveByScrypt(passphrase, salt, keyBytes, { N, r, p, maxmem: 2 * SCRYPT_MEMORY });
}

/**
 * Encrypts a DER PrivateKeyInfo exactly as docker does, which reads nothing else: PBKDF2-HMAC-SHA-1
 * with 2048 rounds and no PRF field, an 8-byte salt, AES-256-CBC.
 */
export async function encryptPkcs8(der: Uint8Array, passphrase: string): Promise<Buffer> {
  const salt = randomBytes(8);
  const iv = randomBytes(16);
  const key = await deriveByPbkdf2(Buffer.from(passphrase, 'utf8'), salt, 2048, 32, 'sha1');
  const cipher = createCipheriv('aes-256-cbc', key, iv);
  const ciphertext = Buffer.concat([cipher.update(der), cipher.final()]);
  const sequence = (...parts: readonly Buffer[]): Buffer => encodeElement(TAG.sequence, ...parts);
  const octets = (bytes: Buffer): Buffer => encodeElement(TAG.octetString, bytes);
  const kdf = sequence(encodeOid(PBKDF2), sequence(octets(salt), encodeCount(2048)));
  const encryption = sequence(encodeOid(AES_256_CBC), octets(iv));
  return sequence(sequence(encodeOid(PBES2), sequence(kdf, encryption)), octets(ciphertext));
}
