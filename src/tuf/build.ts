import type { Json, JsonObject } from '../lib/json.ts';
import type { Signer } from '../keys/key.ts';
import { notaryCanonical } from './canonical.ts';
import type { FileMeta } from './file-meta.ts';
import type { TufKey } from './public-key.ts';
import { signForTuf } from './signature.ts';
import type { SigningRole } from './threshold.ts';

/** A signer and the id under which the role lists its key. */
export interface TufSigner {
  readonly keyid: string;
  readonly signer: Signer;
}

/** What every file that we make says. */
export interface NewFile {
  readonly version: number;
  readonly expires: Date;
  readonly signers: readonly TufSigner[];
}

/**
 * Signs metadata and writes it as Notary does: `{"signed":<canonical>,"signatures":[…]}`, no white space,
 * no newline. notary-server parses and writes again what it is given, so any other order would be
 * stored with another hash than it is served with. Throws RangeError for numbers that are no integers.
 */
export async function signMetadata(
  signed: JsonObject,
  signers: readonly TufSigner[],
): Promise<Buffer> {
  const text = notaryCanonical(signed);
  if (text === undefined) throw new RangeError('expected integers only in metadata that is signed');
  const message = Buffer.from(text);
  const signatures = await Promise.all(
    signers.map(async ({ keyid, signer }) => {
      const made = await signForTuf(signer, keyid, message);
      return { keyid, method: made.method, sig: Buffer.from(made.sig).toString('base64') };
    }),
  );
  return Buffer.from(`{"signed":${text},"signatures":${JSON.stringify(signatures)}}`);
}

/** `_type`, `expires` and `version`. The time has whole seconds: Go drops the zeros of a fraction. */
export function commonFields(type: string, { version, expires }: NewFile): Record<string, Json> {
  return { _type: type, expires: `${expires.toISOString().slice(0, 19)}Z`, version };
}

/** A file's entry in `meta` or `targets`. */
export function fileMetaJson({ length, sha256, sha512, custom }: FileMeta): Json {
  const hashes = {
    sha256: base64(sha256),
    ...(sha512 === null ? {} : { sha512: base64(sha512) }),
  };
  return { hashes, length, ...(custom === null ? {} : { custom }) };
}

function base64(hex: string): string {
  return Buffer.from(hex, 'hex').toString('base64');
}

/** A map of keys by id. */
export function keysJson(keys: Iterable<TufKey>): Json {
  const entries = [...keys].map(
    (key) =>
      [key.id, { keytype: key.keytype, keyval: { private: null, public: key.public } }] as const,
  );
  return Object.fromEntries(entries);
}

/** The key ids and threshold of a role. */
export function roleJson({ keys, threshold }: SigningRole): Record<string, Json> {
  return { keyids: [...keys.keys()], threshold };
}

/** A map without prototype, so that a tag `__proto__` is a tag like any other. */
export function mapJson<T>(map: ReadonlyMap<string, T>, write: (value: T) => Json): Json {
  const out = Object.create(null) as Record<string, Json>;
  for (const [name, value] of map) out[name] = write(value);
  return out;
}
