import type { KeyObject } from 'node:crypto';

/** The kinds of signing key (RSA is at least 2048 bits). */
export type KeyType = 'ed25519' | 'ecdsa-p256' | 'ecdsa-p384' | 'rsa';

/** A public key that a policy or a person named. */
export interface PublicKey {
  readonly type: KeyType;
  /** Lower-case hex SHA-256 of the DER SubjectPublicKeyInfo: one id per key, whatever its file's encoding. */
  readonly id: string;
  readonly key: KeyObject;
}

/**
 * Something that signs: a file's key, later a KMS or HSM. `sign` returns the raw signature over the
 * bytes as the key's type demands: Ed25519 pure; ECDSA with SHA-256 as DER; RSA PKCS#1 v1.5 with SHA-256.
 */
export interface Signer {
  readonly publicKey: PublicKey;
  sign(bytes: Uint8Array): Promise<Uint8Array>;
}
