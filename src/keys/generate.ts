import { generateKeyPair } from 'node:crypto';
import { promisify } from 'node:util';
import { getPublicKeyAsync, utils } from '@noble/ed25519';
import type { Result } from '../lib/result.ts';
import { unwrap } from '../lib/result.ts';
import type { KeyType } from './key.ts';
import { encodeNotaryEd25519 } from './notary-ed25519.ts';
import type { PrivateKey } from './private-key.ts';
import { acceptPrivateKey, privateKeyFromDer } from './private-key.ts';

const generatePair = promisify(generateKeyPair);

/** 128 bits of strength (NIST SP 800-57 part 1, table 2). */
const RSA_BITS = 3072;

/** Makes a new private key: Ed25519 by @noble/ed25519, ECDSA and RSA (3072 bits) by node:crypto. */
export async function generateKey(type: KeyType): Promise<PrivateKey> {
  const made = type === 'ed25519' ? generateEd25519() : generateByNode(type);
  return unwrap(await made);
}

async function generateEd25519(): Promise<Result<PrivateKey>> {
  const seed = utils.randomSecretKey();
  // This layout holds both halves, and reading it compares noble's public half with OpenSSL's.
  return privateKeyFromDer(encodeNotaryEd25519(seed, await getPublicKeyAsync(seed)), 'pkcs8');
}

async function generateByNode(type: Exclude<KeyType, 'ed25519'>): Promise<Result<PrivateKey>> {
  switch (type) {
    case 'ecdsa-p256':
      return acceptPrivateKey((await generatePair('ec', { namedCurve: 'P-256' })).privateKey);
    case 'ecdsa-p384':
      return acceptPrivateKey((await generatePair('ec', { namedCurve: 'P-384' })).privateKey);
    case 'rsa':
      return acceptPrivateKey((await generatePair('rsa', { modulusLength: RSA_BITS })).privateKey);
  }
}
