import { createHash } from 'node:crypto';
import { decodeBase64, sha256Hex } from '../lib/bytes.ts';
import type { Json } from '../lib/json.ts';
import { isCount, isObject } from '../lib/json.ts';
import type { Result } from '../lib/result.ts';
import { ok } from '../lib/result.ts';
import { lookalikeIn } from './lookalike.ts';
import { invalid, malformed, shown } from './trust-data.ts';

/** Length and hashes of a file (TUF 4.4). SHA-256 is always there, in lower-case hex. */
export interface FileMeta {
  readonly length: number;
  readonly sha256: string;
  readonly sha512: string | null;
  /** Whatever a signer added to a tag. */
  readonly custom: Json | null;
}

const MEMBERS = new Set(['length', 'hashes', 'custom']);

/**
 * Reads `{"length":…,"hashes":{…}}`. Hashes are base64 of the right length; SHA-256 is mandatory
 * (docker's digests are SHA-256, and metadata is fetched by it); other algorithms are passed over.
 */
export function parseFileMeta(
  within: string,
  name: string,
  value: Json | undefined,
): Result<FileMeta> {
  const lookalike = isObject(value) ? lookalikeIn(value, MEMBERS) : undefined;
  if (lookalike !== undefined)
    return malformed(within, `unexpected member ${shown(lookalike)} of ${shown(name)}`);
  const listed = isObject(value) ? value['hashes'] : undefined;
  const hashes = isObject(listed) ? listed : {};
  if (!isObject(value) || hashes['sha256'] === undefined) {
    return malformed(within, `missing ${shown(name)} sha256 checksum information`);
  }
  const sha256 = hexOf(hashes['sha256'], 32);
  const sha512 = hashes['sha512'] === undefined ? null : hexOf(hashes['sha512'], 64);
  if (sha256 === undefined || sha512 === undefined) {
    const wrong = sha256 === undefined ? 'sha256' : 'sha512';
    return malformed(
      within,
      `invalid ${shown(name)} checksum information, ${wrong} checksum invalid`,
    );
  }
  const { length } = value;
  if (!isCount(length)) return malformed(within, `expected the length of ${shown(name)}`);
  return ok({ length, sha256, sha512, custom: value['custom'] ?? null });
}

function hexOf(value: Json | undefined, length: number): string | undefined {
  const bytes = typeof value === 'string' ? decodeBase64(value) : undefined;
  return bytes?.length === length ? bytes.toString('hex') : undefined;
}

/** Length and both hashes of a file, as a snapshot or a timestamp lists it. */
export function fileMetaOf(bytes: Uint8Array): FileMeta {
  const sha512 = createHash('sha512').update(bytes).digest('hex');
  return { length: bytes.length, sha256: sha256Hex(bytes), sha512, custom: null };
}

/** Checks a file against what is listed of it (TUF 5.5.2, 5.6.2): mixing files of different states, or repositories, ends here. */
export function checkFile(bytes: Uint8Array, role: string, expected: FileMeta): Result<true> {
  const found = fileMetaOf(bytes);
  const wrong = (algorithm: string, hex: string): Result<never> =>
    invalid(`${algorithm} checksum for ${role} did not match: expected ${hex}`);
  if (found.sha256 !== expected.sha256) return wrong('sha256', expected.sha256);
  if (expected.sha512 !== null && found.sha512 !== expected.sha512) {
    return wrong('sha512', expected.sha512);
  }
  if (found.length !== expected.length) {
    return invalid(`length of ${role} did not match: expected ${expected.length}`);
  }
  return ok(true);
}
