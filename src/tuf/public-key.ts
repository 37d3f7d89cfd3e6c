import { LRUCache } from 'lru-cache';
import { decodeBase64, sha256Hex } from '../lib/bytes.ts';
import type { Json } from '../lib/json.ts';
import { isObject } from '../lib/json.ts';
import { LIMITS } from '../lib/limits.ts';
import type { Result } from '../lib/result.ts';
import { ok } from '../lib/result.ts';
import type { PublicKey } from '../keys/key.ts';
import { notaryKeyId } from '../keys/notary-key-id.ts';
import { parsePem } from '../keys/pem.ts';
import { publicKeyFromSpki, rawEd25519, spkiOf } from '../keys/public-key.ts';
import type { Certificate } from './certificate.ts';
import { parseCertificate } from './certificate.ts';
import { lookalikeIn } from './lookalike.ts';
import { invalid, shown } from './trust-data.ts';

/** A key as metadata lists it. */
export interface TufKey {
  /** One of Notary's five (dct-protocol 3.2): `ecdsa`, `ecdsa-x509`, `rsa`, `rsa-x509`, `ed25519`; another one never counts. */
  readonly keytype: string;
  /** The base64 text of the public half, as it was listed. */
  readonly public: string;
  /** Notary's id of exactly this spelling (dct-protocol 3.3); lists and signatures name it. */
  readonly id: string;
  /** `null`: unreadable, too weak or of an unknown kind; such a key is kept, and never counts. */
  readonly key: PublicKey | null;
  /** The certificates of an x509 key, leaf first; empty for others. */
  readonly certificates: readonly Certificate[];
}

const KEY_MEMBERS = new Set(['keytype', 'keyval']);
const KEYVAL_MEMBERS = new Set(['public', 'private']);
const ED25519_SPKI = Buffer.from('302a300506032b6570032100', 'hex');

/** Notary's id of a key in this spelling: SHA-256 of its canonical JSON, the empty private half included (dct-protocol 3.3). */
export function tufKeyId(keytype: string, publicHalf: string): string {
  return sha256Hex(`{"keytype":"${keytype}","keyval":{"private":null,"public":"${publicHalf}"}}`);
}

/** The id of the key itself, whatever wraps it: names its file in a key store, and how docker shows signers. */
export function canonicalKeyId(key: TufKey): string {
  return key.key === null ? key.id : notaryKeyId(key.key);
}

/** The listing of one of our own keys, not wrapped in a certificate. */
export function tufKeyOf(key: PublicKey): TufKey {
  const keytype = key.type.startsWith('ecdsa') ? 'ecdsa' : key.type;
  const bytes = key.type === 'ed25519' ? rawEd25519(key.key) : spkiOf(key.key);
  const publicHalf = bytes.toString('base64');
  return { keytype, public: publicHalf, id: tufKeyId(keytype, publicHalf), key, certificates: [] };
}

/**
 * Reads a listed key. Refuses one whose parts have the wrong form, which carries a private half, or
 * which is listed under another id than its own (a signature would be counted for the wrong key). A
 * weak or unknown key is read, but nothing it signs counts.
 */
export function parseTufKey(id: string, value: Json | undefined): Result<TufKey> {
  const keyval = isObject(value) ? value['keyval'] : undefined;
  if (!isObject(value) || !isObject(keyval)) return invalid(`expected a key under ${shown(id)}`);
  if (
    lookalikeIn(value, KEY_MEMBERS) !== undefined ||
    lookalikeIn(keyval, KEYVAL_MEMBERS) !== undefined
  )
    return invalid(`expected "keytype" and "keyval" under ${shown(id)}, each once`);
  const { keytype } = value;
  const publicHalf = keyval['public'];
  const bytes = typeof publicHalf === 'string' ? decodeBase64(publicHalf) : undefined;
  if (typeof keytype !== 'string' || !/^[a-z0-9-]{1,32}$/.test(keytype)) {
    return invalid(`expected a known key type for ${shown(id)}`);
  }
  if (typeof publicHalf !== 'string' || bytes === undefined || bytes.length === 0) {
    return invalid(`expected the public half of ${shown(id)} in base64`);
  }
  if ((keyval['private'] ?? null) !== null) {
    return invalid(`expected no private half beside the public one of ${shown(id)}`);
  }
  if (tufKeyId(keytype, publicHalf) !== id) return invalid('key ID is not valid for key content');
  const known = read.get(id);
  if (known !== undefined) return ok(known);
  const listed = new ListedKey(id, keytype, publicHalf, bytes);
  read.set(id, listed);
  return ok(listed);
}

/** A key that is read when it is first asked for: a file may list a thousand that sign nothing. */
class ListedKey implements TufKey {
  readonly id: string;
  readonly keytype: string;
  readonly public: string;
  readonly #bytes: Buffer;
  #key: PublicKey | null | undefined;
  #certificates: readonly Certificate[] | undefined;

  constructor(id: string, keytype: string, publicHalf: string, bytes: Buffer) {
    this.id = id;
    this.keytype = keytype;
    this.public = publicHalf;
    this.#bytes = bytes;
  }

  get key(): PublicKey | null {
    if (this.#key === undefined) this.#key = keyOf(this.keytype, this.#bytes, this.certificates);
    return this.#key;
  }

  get certificates(): readonly Certificate[] {
    this.#certificates ??= this.keytype.endsWith('-x509') ? readBundle(this.#bytes) : [];
    return this.#certificates;
  }
}

/**
 * Keys as they were read: a publish reads the same root twice, and that costs more than all its signatures.
 * The id is the hash of everything that was read, and is compared with it before anything is looked up.
 * Bounded in bytes: a file that nobody signed may list keys as long as it is itself.
 */
const read = new LRUCache<string, TufKey>({
  max: 1024,
  maxEntrySize: LIMITS.keyFileBytes,
  maxSize: 1024 * 8192,
  sizeCalculation: (key) => key.public.length + key.keytype.length + key.id.length,
});

/** The certificates of a bundle that is spelled as Go spells it; none otherwise, since Notary would compute another id for it. */
function readBundle(bytes: Uint8Array): readonly Certificate[] {
  const blocks = parsePem(bytes);
  if (!blocks.ok) return [];
  const out: Certificate[] = [];
  for (const block of blocks.value) {
    const certificate = block.label === 'CERTIFICATE' ? parseCertificate(block.bytes) : undefined;
    if (certificate === undefined) return [];
    out.push(certificate);
  }
  const spelled = out.map((certificate) => certificate.pem).join('');
  return Buffer.from(spelled).equals(bytes) ? out : [];
}

/** The key behind a listing. The type that is said and the type that is there must be one (T-25). */
function keyOf(
  keytype: string,
  bytes: Buffer,
  certificates: readonly Certificate[],
): PublicKey | null {
  switch (keytype) {
    case 'ed25519':
      if (bytes.length !== 32) return null;
      return accepted(Buffer.concat([ED25519_SPKI, bytes]), 'ed25519');
    case 'ecdsa':
    case 'rsa':
      return accepted(bytes, keytype);
    case 'ecdsa-x509':
    case 'rsa-x509': {
      const key = certificates[0]?.key ?? null;
      return key?.type.startsWith(keytype.slice(0, -5)) === true ? key : null;
    }
    default:
      return null;
  }
}

function accepted(spki: Uint8Array, kind: string): PublicKey | null {
  const key = publicKeyFromSpki(spki);
  return key.ok && key.value.type.startsWith(kind) ? key.value : null;
}
