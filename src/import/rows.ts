import { LIMITS } from '../lib/limits.ts';
import { quote } from '../lib/quote.ts';
import type { Result } from '../lib/result.ts';
import { ok, refuse } from '../lib/result.ts';
import { isRoleName } from '../tuf/role-name.ts';
import type { SourceChange, SourceFile, SourceKey } from './source.ts';

/** A row of one of Notary's tables, whatever it was read from. */
export interface Columns {
  /** Text; `null` for NULL. Throws nothing: a column that is not there is NULL. */
  text(name: string): string | null;
  /** Bytes; `undefined` where the value is no binary one. */
  bytes(name: string): Uint8Array | null | undefined;
}

/** A row, whose repository is known even where the rest cannot be read. */
export interface ReadRow<T> {
  /** Empty where the row says none. */
  readonly gun: string;
  /** `null`: the row was deleted and is only still there. */
  readonly row: Result<T | null>;
}

const HEX64 = /^[0-9a-f]{64}$/;
const MAX_ID = 2 ** 53 - 1;

/** Reads a row of `tuf_files`. */
export function readFileRow(columns: Columns): ReadRow<SourceFile> {
  return read(columns, (gun) => {
    const role = columns.text('role') ?? '';
    const version = integer(columns.text('version'), 2 ** 31 - 1);
    const bytes = columns.bytes('data');
    const sha256 = hashOf(columns.text('sha256'));
    if (gun === '') return wrong('a GUN', gun);
    if (!isRoleName(role)) return wrong('a role', role);
    if (version === undefined || version < 1) return wrong('a version', columns.text('version'));
    if (bytes === undefined || bytes === null || bytes.length === 0) {
      return refuse('IMPORT_UNREADABLE', `expected the bytes of ${role} ${version}`);
    }
    if (bytes.length > LIMITS.trustMetadataBytes) {
      return refuse(
        'IMPORT_UNREADABLE',
        `expected at most ${LIMITS.trustMetadataBytes} bytes in ${role} ${version}, found ${bytes.length}`,
      );
    }
    if (sha256 === undefined) return wrong('a SHA-256 or nothing', columns.text('sha256'));
    const createdAt = time(columns.text('created_at')) ?? null;
    return ok({ role, version, bytes, sha256, createdAt });
  });
}

/** Reads a row of `private_keys`. */
export function readKeyRow(columns: Columns): ReadRow<SourceKey> {
  return read(columns, (gun) => {
    const text = (name: string): string => columns.text(name) ?? '';
    const publicKey = columns.bytes('public');
    const sealed = columns.bytes('private');
    const id = text('key_id');
    if (!HEX64.test(id)) return wrong('a key id', id);
    if (!publicKey || !sealed || publicKey.length > LIMITS.keyFileBytes) {
      return refuse('IMPORT_UNREADABLE', `expected both halves of key ${id.slice(0, 12)}`);
    }
    if (sealed.length > LIMITS.keyFileBytes) {
      return refuse(
        'IMPORT_UNREADABLE',
        `expected a smaller private half of key ${id.slice(0, 12)}`,
      );
    }
    return ok({
      id,
      gun,
      role: text('role'),
      algorithm: text('algorithm'),
      keyWrap: text('keywrap_alg'),
      encryption: text('encryption_alg'),
      alias: text('passphrase_alias'),
      publicKey,
      sealed: Buffer.from(sealed).toString('latin1'),
      createdAt: time(columns.text('created_at')) ?? null,
      usedAt: time(columns.text('last_used')) ?? null,
    });
  });
}

/** Reads a row of `changefeed`. */
export function readChangeRow(columns: Columns): ReadRow<SourceChange> {
  return read(columns, (gun) => {
    const id = integer(columns.text('id'), MAX_ID);
    const version = integer(columns.text('version'), 2 ** 31 - 1);
    // A fixed-width column pads the empty hash of a deletion.
    const sha256 = (columns.text('sha256') ?? '').trim();
    const category = columns.text('category') ?? 'update';
    const at = time(columns.text('created_at'));
    if (gun === '') return wrong('a GUN', gun);
    if (id === undefined || id < 1) return wrong('an id', columns.text('id'));
    if (version === undefined) return wrong('a version', columns.text('version'));
    if (category !== 'update' && category !== 'deletion') return wrong('a category', category);
    // The oldest rows were made by a migration from files without a hash.
    if (sha256 !== '' && !HEX64.test(sha256)) return wrong('a SHA-256', sha256);
    if (at === undefined) return wrong('a time', columns.text('created_at'));
    return ok({ id, gun, version, sha256, category, time: at });
  });
}

function read<T>(columns: Columns, rest: (gun: string) => Result<T>): ReadRow<T> {
  const gun = columns.text('gun') ?? '';
  if (gun.length > 255) return { gun: '', row: wrong('a GUN of at most 255 characters', gun) };
  const deleted = columns.text('deleted_at');
  // gorm only marks what it deletes; MySQL without strict mode writes a zero for no time.
  if (deleted !== null && !deleted.startsWith('0000-00-00')) return { gun, row: ok(null) };
  return { gun, row: rest(gun) };
}

function wrong(expected: string, found: string | null): Result<never> {
  const shown = found === null ? 'NULL' : quote(found, 40);
  return refuse('IMPORT_UNREADABLE', `expected ${expected}, found ${shown}`);
}

function integer(text: string | null, most: number): number | undefined {
  if (text === null || !/^[0-9]{1,16}$/.test(text)) return undefined;
  const value = Number(text);
  return value <= most ? value : undefined;
}

function hashOf(text: string | null): string | null | undefined {
  const hash = text?.trim() ?? '';
  if (hash === '') return null;
  return HEX64.test(hash) ? hash : undefined;
}

/** Both databases keep UTC without saying so. */
function time(text: string | null): number | undefined {
  const parts =
    text === null ? null : /^(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?$/.exec(text);
  if (parts === null) return undefined;
  const [, date = '', clock = '', fraction = ''] = parts;
  const value = Date.parse(`${date}T${clock}.${fraction.padEnd(3, '0').slice(0, 3)}Z`);
  return Number.isNaN(value) ? undefined : value;
}
