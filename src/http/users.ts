import { randomBytes } from 'node:crypto';
import { decodeUtf8 } from '../lib/bytes.ts';
import type { Result } from '../lib/result.ts';
import { ok, refuse } from '../lib/result.ts';
import { NAME_LENGTH } from './basic.ts';

/** The identities of an htpasswd file. */
export interface UserSet {
  /** bcrypt hash by name. */
  readonly hashes: ReadonlyMap<string, string>;
  /** A hash that no password gives, as costly as the costliest of the file: what unknown names are checked against. */
  readonly decoy: string;
}

/** Words that access rules and records use for something else. */
const RESERVED = ['anonymous', 'countersign'];
const USERS = 10_000;
// A cost over 14 takes seconds of computing for every login; one under 4 does not exist.
const HASH = /^\$2[aby]\$(?<cost>0[4-9]|1[0-4])\$[./A-Za-z0-9]{53}$/;
const NAME = /^[^\s:*\p{Cc}]+$/u;
const KINDS: readonly (readonly [RegExp, string])[] = [
  [/^\$apr1\$/, 'an Apache MD5 hash'],
  [/^\{SHA\}/, 'a SHA-1 hash'],
  [/^\$[56]\$/, 'a SHA-2 crypt hash'],
  [/^\$2[aby]\$/, 'a bcrypt hash that is damaged or has a cost outside 4 to 14'],
];

/**
 * Reads an htpasswd file: `name:hash` lines, comments and empty lines. Only bcrypt counts
 * (`htpasswd -B`); any other line is refused with its number, never skipped. No hash is repeated.
 */
export function parseUsers(bytes: Uint8Array, file: string): Result<UserSet> {
  const text = decodeUtf8(bytes);
  if (text === undefined) return refuse('CONFIG_INVALID', `${file}: expected UTF-8`);
  const hashes = new Map<string, string>();
  let highest = 10;
  for (const [i, raw] of text.split('\n').entries()) {
    const line = raw.endsWith('\r') ? raw.slice(0, -1) : raw;
    if (line.trim() === '' || line.startsWith('#')) continue;
    const bad = (message: string): Result<never> =>
      refuse('CONFIG_INVALID', `${file}:${i + 1}: ${message}`);
    const colon = line.indexOf(':');
    if (colon < 0) return bad('expected name:hash');
    const name = line.slice(0, colon);
    const hash = line.slice(colon + 1);
    if (!NAME.test(name) || name.length > NAME_LENGTH) {
      return bad(
        `expected a name of 1 to ${NAME_LENGTH} characters without spaces, colons and stars`,
      );
    }
    if (RESERVED.includes(name))
      return bad(`expected another name than ${name}, which is reserved`);
    if (hashes.has(name)) return bad(`expected every name once, found ${name} again`);
    const cost = HASH.exec(hash)?.groups?.['cost'];
    if (cost === undefined) {
      const kind = KINDS.find(([pattern]) => pattern.test(hash))?.[1] ?? 'something else';
      return bad(`expected a bcrypt hash for ${name} (made by htpasswd -B), found ${kind}`);
    }
    if (hashes.size === USERS) return bad(`expected at most ${USERS} names`);
    hashes.set(name, hash);
    highest = Math.max(highest, Number(cost));
  }
  return ok({ hashes, decoy: decoy(highest) });
}

/** A hash of nothing: its digest is random, so that finding a password for it is finding a preimage. */
function decoy(cost: number): string {
  const random = randomBytes(48).toString('base64').replaceAll('+', '.').slice(0, 53);
  return `$2b$${String(cost).padStart(2, '0')}$${random}`;
}
