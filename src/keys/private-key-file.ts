import { createPrivateKey } from 'node:crypto';
import type { Result } from '../lib/result.ts';
import { ok, refuse } from '../lib/result.ts';
import { COSIGN_LABELS, decryptCosign, encryptCosign } from './cosign-file.ts';
import { isRepositoryRole } from './key-name.ts';
import { notaryKeyId } from './notary-key-id.ts';
import { decryptPkcs8, encryptPkcs8 } from './pbes2.ts';
import type { PemBlock } from './pem.ts';
import { encodePem, parsePem } from './pem.ts';
import type { PrivateDerType, PrivateKey } from './private-key.ts';
import { acceptPrivateKey, notaryPkcs8Of, pkcs8Of, privateKeyFromDer } from './private-key.ts';

/** How a private key file is encrypted; `null` where it is not. */
export type Encryption = 'pkcs8' | 'cosign' | 'traditional';

/** A private key file that was read and not yet opened. */
export interface PrivateKeyFile {
  readonly encryption: Encryption | null;
  /** Notary's header lines: what the key is for (`root`, `targets`, or a signer's name) and in which repository. */
  readonly role: string | null;
  readonly gun: string | null;
  /** The key's own id (see `PublicKey`), as a header line of ours says; whoever opens the key checks it. `null` in files of other tools. */
  readonly keyId: string | null;
  readonly block: PemBlock;
}

const PLAIN: Readonly<Record<string, PrivateDerType>> = {
  'PRIVATE KEY': 'pkcs8',
  'EC PRIVATE KEY': 'sec1',
  'RSA PRIVATE KEY': 'pkcs1',
};
/** Notary and docker pass over header lines that they do not know. */
const KEY_ID_LINE = 'keyid';
const KEY_ID = /^[0-9a-f]{64}$/;
const wrong = refuse('PASSPHRASE_WRONG', 'the passphrase does not open the key');

/**
 * Reads a PEM file with one private key: PKCS#8 (plain, or encrypted as OpenSSL and docker do), SEC1,
 * PKCS#1, OpenSSL's older `DEK-Info` encryption, or cosign's. Refuses anything beside the key.
 */
export function parsePrivateKeyFile(bytes: Uint8Array): Result<PrivateKeyFile> {
  const blocks = parsePem(bytes);
  if (!blocks.ok) return blocks;
  // `openssl ecparam -genkey` puts the curve's name before the key, which names it again.
  const [block, ...others] = blocks.value.filter((b) => b.label !== 'EC PARAMETERS');
  if (block === undefined || others.length > 0) {
    return refuse(
      'KEY_INVALID',
      `expected exactly one private key in the file, found ${blocks.value.length} PEM blocks`,
    );
  }
  const encryption = encryptionOf(block);
  if (encryption === undefined) {
    return refuse(
      'KEY_INVALID',
      block.label === 'PUBLIC KEY'
        ? 'expected a private key, found a public key; countersign key list names the private ones'
        : `expected a private key (PKCS#8, SEC1, PKCS#1, or of docker or cosign), found "${block.label}"`,
    );
  }
  const { headers } = block;
  return ok({
    encryption,
    role: headers.get('role') ?? null,
    gun: headers.get('gun') ?? null,
    keyId: KEY_ID.exec(headers.get(KEY_ID_LINE) ?? '')?.[0] ?? null,
    block,
  });
}

function encryptionOf(block: PemBlock): Encryption | null | undefined {
  if (block.label === 'ENCRYPTED PRIVATE KEY') return 'pkcs8';
  if (COSIGN_LABELS.includes(block.label)) return 'cosign';
  if (PLAIN[block.label] === undefined) return undefined;
  return block.headers.has('DEK-Info') ? 'traditional' : null;
}

/** Opens a key file; the passphrase is not looked at where the file is not encrypted. Refuses with PASSPHRASE_WRONG, KEY_INVALID or KEY_WEAK. */
export async function openPrivateKeyFile(
  file: PrivateKeyFile,
  passphrase: string,
): Promise<Result<PrivateKey>> {
  const { block } = file;
  switch (file.encryption) {
    case null:
      return privateKeyFromDer(block.bytes, PLAIN[block.label] ?? 'pkcs8');
    case 'traditional':
      return openTraditional(block, passphrase);
    case 'cosign': {
      const der = await decryptCosign(block.bytes, passphrase);
      return der.ok ? privateKeyFromDer(der.value, 'pkcs8') : der;
    }
    case 'pkcs8': {
      const der = await decryptPkcs8(block.bytes, passphrase);
      if (!der.ok) return der;
      const key = privateKeyFromDer(der.value, 'pkcs8');
      // One wrong passphrase in 256 leaves a padding that looks right: then the key does not parse.
      return !key.ok && key.refusal.code === 'KEY_INVALID' ? wrong : key;
    }
  }
}

/** OpenSSL's older encryption (RFC 1421 header lines); the key derivation is OpenSSL's own, so that it is left to it. */
function openTraditional(block: PemBlock, passphrase: string): Result<PrivateKey> {
  const info = block.headers.get('DEK-Info') ?? '';
  if (!/^(?:AES-(?:128|192|256)-CBC|DES-EDE3-CBC),[0-9A-Fa-f]{16,32}$/.test(info)) {
    return refuse(
      'KEY_INVALID',
      'expected AES-CBC or DES-EDE3-CBC in the DEK-Info line, found another encryption; convert the file with: openssl pkcs8 -topk8 -in FILE',
    );
  }
  const pem = encodePem(block.label, block.bytes, {
    'Proc-Type': '4,ENCRYPTED',
    'DEK-Info': info,
  });
  try {
    return acceptPrivateKey(createPrivateKey({ key: pem, format: 'pem', passphrase }));
  } catch {
    return wrong;
  }
}

/**
 * The key as docker's own key store holds it: encrypted PKCS#8 with the role (a signer's name) in a
 * header line, and with the repository where the key is one repository's own; a signer's with the key's id.
 */
export function dockerKeyFile(
  key: PrivateKey,
  role: string,
  passphrase: string,
  gun: string | null = null,
): Promise<string> {
  const place = gun === null ? { role } : { gun, role };
  // An encrypted key shows nothing of itself: by its id people find a signer's in policies and the record.
  const headers = isRepositoryRole(role) ? place : { [KEY_ID_LINE]: key.publicKey.id, ...place };
  return encryptedPem(key, headers, passphrase);
}

/**
 * The key as `notary key export` writes it. The `path` line holds its place in the store: without it,
 * `docker trust key load` of an encrypted file says that it succeeded and stores nothing.
 */
export function dockerExportFile(
  key: PrivateKey,
  { role, gun }: { readonly role: string; readonly gun: string | null },
  passphrase: string,
): Promise<string> {
  const path = notaryKeyId(key.publicKey);
  return encryptedPem(key, gun === null ? { path, role } : { gun, path, role }, passphrase);
}

async function encryptedPem(
  key: PrivateKey,
  headers: Readonly<Record<string, string>>,
  passphrase: string,
): Promise<string> {
  const bytes = await encryptPkcs8(notaryPkcs8Of(key), passphrase);
  return encodePem('ENCRYPTED PRIVATE KEY', bytes, headers);
}

/** The key as cosign's own encrypted file. */
export function cosignKeyFile(key: PrivateKey, passphrase: string): Promise<string> {
  return encryptCosign(pkcs8Of(key), passphrase);
}

/** The key as unencrypted PEM PKCS#8. */
export function pkcs8KeyFile(key: PrivateKey): string {
  return encodePem('PRIVATE KEY', pkcs8Of(key));
}
