import { CountersignError } from '../lib/errors.ts';
import type { Json } from '../lib/json.ts';
import { LIMITS } from '../lib/limits.ts';
import type { Result } from '../lib/result.ts';
import { RepositorySize, tooManyRepositories } from './import-bounds.ts';
import type { Columns } from './rows.ts';
import { readChangeRow, readFileRow, readKeyRow } from './rows.ts';
import type { SourceChange, SourceFile, SourceKey } from './source.ts';
import type { Spool } from './spool.ts';
import { binaryValue } from './sql/binary-value.ts';
import type { DumpRow } from './sql/dump-row.ts';

/** What dumps say of one repository: where in the spool its rows are. */
interface Kept {
  readonly files: number[];
  readonly keys: number[];
  readonly changes: { readonly id: number; readonly place: number }[];
  readonly size: RepositorySize;
  problem: string | null;
}

/**
 * What was read of dumps, by repository. The rows are in the spool, and in memory are their places only:
 * a feed has a line for every timestamp that there ever was.
 */
export class DumpContent {
  readonly #byGun = new Map<string, Kept>();
  readonly #keys = new Map<string, number>();
  readonly #spool: Spool;
  readonly #named: ReadonlySet<string>;

  /** Begins with nothing; the spool is the caller's to close. Keeps what was `named`, or all where nothing was. */
  constructor(spool: Spool, named: readonly string[]) {
    this.#spool = spool;
    this.#named = new Set(named);
  }

  /**
   * Keeps a row, or notes why its repository cannot be imported. Throws IMPORT_UNREADABLE where it names
   * none, and where there are more than the bounds allow.
   */
  async add(row: DumpRow): Promise<void> {
    const columns = columnsOf(row);
    if (row.table === 'tuf_files') {
      const { gun, row: read } = readFileRow(columns);
      const file = this.#take(row, gun, read);
      if (file === null) return;
      const kept = this.#of(gun);
      kept.problem ??= kept.size.add(file.bytes.length);
      if (kept.problem === null) kept.files.push(await this.#spool.add(ofFile(file)));
    } else if (row.table === 'private_keys') {
      const { gun, row: read } = readKeyRow(columns);
      const key = this.#take(row, gun, read);
      if (key === null) return;
      const place = await this.#spool.add(ofKey(key));
      this.#keys.set(key.id, place);
      if (gun !== '') this.#of(gun).keys.push(place);
    } else {
      const { gun, row: read } = readChangeRow(columns);
      const change = this.#take(row, gun, read);
      if (change === null) return;
      const place = await this.#spool.add({ fields: { ...change }, bytes: Buffer.of() });
      this.#of(gun).changes.push({ id: change.id, place });
    }
  }

  /** The repositories that rows are of, in order of name. */
  guns(): readonly string[] {
    return [...this.#byGun.keys()].toSorted();
  }

  /** Why a repository cannot be imported. */
  problemOf(gun: string): string | null {
    return this.#byGun.get(gun)?.problem ?? null;
  }

  /** The files of a repository, in the order of the dump. */
  async files(gun: string): Promise<readonly SourceFile[]> {
    const files: SourceFile[] = [];
    for (const place of this.#byGun.get(gun)?.files ?? []) {
      const { fields, bytes } = await this.#spool.read(place);
      files.push({ ...(fields as unknown as Omit<SourceFile, 'bytes'>), bytes });
    }
    return files;
  }

  /** The keys that were made for a repository and those with these ids, each once: the last row of it. */
  async keys(gun: string, ids: readonly string[]): Promise<readonly SourceKey[]> {
    const found = new Map<string, SourceKey>();
    const places = [
      ...(this.#byGun.get(gun)?.keys ?? []),
      ...ids.flatMap((id) => this.#keys.get(id) ?? []),
    ];
    for (const place of places.toSorted((a, b) => a - b)) {
      const { fields, bytes } = await this.#spool.read(place);
      const key = { ...(fields as unknown as Omit<SourceKey, 'publicKey'>), publicKey: bytes };
      found.set(key.id, key);
    }
    return [...found.values()];
  }

  /** The lines of a repository in the feed, by id: what was written at once may stand in any order. */
  async *changes(gun: string): AsyncGenerator<SourceChange, void, undefined> {
    const places = this.#byGun.get(gun)?.changes ?? [];
    for (const { place } of places.toSorted((a, b) => a.id - b.id)) {
      const { fields } = await this.#spool.read(place);
      yield fields as unknown as SourceChange;
    }
  }

  #take<T>({ at }: DumpRow, gun: string, read: Result<T | null>): T | null {
    // Keys from before signers noted repositories are anybody's.
    if (gun !== '' && this.#named.size > 0 && !this.#named.has(gun)) return null;
    if (read.ok) return read.value;
    const why = `${at.file}:${at.line}: ${read.refusal.message}`;
    // A row of nobody's may be anybody's.
    if (gun === '') throw new CountersignError('IMPORT_UNREADABLE', why);
    this.#of(gun).problem ??= why;
    return null;
  }

  #of(gun: string): Kept {
    const known = this.#byGun.get(gun);
    if (known !== undefined) return known;
    if (this.#byGun.size >= LIMITS.importRepositories) throw tooManyRepositories();
    const made = { files: [], keys: [], changes: [], size: new RepositorySize(), problem: null };
    this.#byGun.set(gun, made);
    return made;
  }
}

function ofFile({ bytes, ...fields }: SourceFile): { fields: Json; bytes: Uint8Array } {
  return { fields, bytes };
}

function ofKey({ publicKey, ...fields }: SourceKey): { fields: Json; bytes: Uint8Array } {
  return { fields, bytes: publicKey };
}

function columnsOf({ columns, dialect }: DumpRow): Columns {
  return {
    text: (name) => {
      const value = columns.get(name) ?? null;
      // Text comes as UTF-8, one character per byte.
      return value === null ? null : Buffer.from(value, 'latin1').toString();
    },
    bytes: (name) => {
      const value = columns.get(name) ?? null;
      return value === null ? null : binaryValue(value, dialect);
    },
  };
}
