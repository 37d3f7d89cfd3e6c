import { fromHex } from './binary-value.ts';
import type { Place } from './byte-text.ts';
import { ByteText } from './byte-text.ts';
import { copyColumns } from './copy-text.ts';
import { DumpFrame } from './dump-frame.ts';
import type { Dialect, Token } from './lexer.ts';
import { Lexer, shownToken } from './lexer.ts';
import { malformed } from './malformed.ts';

/** A row of a table: its columns by name, one character per byte. */
export interface DumpRow {
  readonly table: string;
  readonly columns: ReadonlyMap<string, string | null>;
  readonly dialect: Dialect;
  readonly at: Place;
}

const MOST_LINE = 40 * 1024 * 1024;
const MOST_COLUMNS = 100;

/**
 * The rows of some tables of a plain SQL dump, as pg_dump or mysqldump write it, in its order. Throws
 * IMPORT_UNREADABLE with file and line where it cannot be read, or ends before its own last line.
 */
export async function* dumpRows(
  file: string,
  chunks: AsyncIterable<Uint8Array>,
  tables: ReadonlySet<string>,
): AsyncGenerator<DumpRow, void, undefined> {
  const text = new ByteText(file, chunks);
  const frame = new DumpFrame(file, await text.peek(4096));
  const lexer = new Lexer(text, frame.dialect, (comment) => frame.comment(comment));
  yield* new Statements(lexer, frame, tables).rows();
  frame.end(text.place);
}

/** Walks a dump's statements; of most only the end is looked for. */
class Statements {
  readonly #lexer: Lexer;
  readonly #frame: DumpFrame;
  readonly #wanted: ReadonlySet<string>;
  /** Of the tables that are wanted, as CREATE TABLE lists them. */
  readonly #columns = new Map<string, readonly string[]>();

  constructor(lexer: Lexer, frame: DumpFrame, wanted: ReadonlySet<string>) {
    this.#lexer = lexer;
    this.#frame = frame;
    this.#wanted = wanted;
  }

  async *rows(): AsyncGenerator<DumpRow, void, undefined> {
    for (;;) {
      await this.#lexer.skipBlanks();
      if ((await this.#lexer.text.peek(1)) === '\\') {
        this.#frame.command(this.#lexer.place, (await this.#lexer.text.takeLine(4096)) ?? '');
        continue;
      }
      const first = await this.#lexer.next();
      if (first.kind === 'end') return;
      const word = first.kind === 'word' ? first.text.toUpperCase() : '';
      if (word === 'INSERT' || word === 'REPLACE') yield* this.#insert();
      else if (word === 'COPY') yield* this.#copy();
      else if (word === 'CREATE') await this.#create();
      else if (word === 'SET') await this.#set();
      else if (word === 'DELIMITER') {
        throw malformed(
          this.#lexer.place,
          'expected tables only; dump them without triggers, routines and events',
        );
      } else if (first.text !== ';') await this.#skip();
    }
  }

  async *#insert(): AsyncGenerator<DumpRow, void, undefined> {
    let token = await this.#lexer.next();
    while (token.kind === 'word' && /^(?:INTO|IGNORE)$/i.test(token.text)) {
      token = await this.#lexer.next();
    }
    const { table, after } = await this.#table(token);
    if (!this.#wanted.has(table)) return this.#skip(after);
    let next = after;
    let columns = this.#columns.get(table);
    if (next.text === '(') {
      columns = await this.#names();
      next = await this.#lexer.next();
    }
    if (columns === undefined) {
      throw malformed(
        this.#lexer.place,
        `expected CREATE TABLE ${table} before its rows, or their columns by name`,
      );
    }
    this.#expect(next, /^VALUES$/i, 'VALUES');
    for (;;) {
      const at = this.#lexer.place;
      this.#expect(await this.#lexer.next(), /^\($/, '(');
      yield this.#row(table, columns, await this.#values(), at);
      const end = await this.#lexer.next();
      if (end.text === ';') return;
      this.#expect(end, /^,$/, ', or ;');
    }
  }

  async *#copy(): AsyncGenerator<DumpRow, void, undefined> {
    const { table, after } = await this.#table(await this.#lexer.next());
    this.#expect(after, /^\($/, '( and the columns');
    const columns = await this.#names();
    this.#expect(await this.#lexer.next(), /^FROM$/i, 'FROM');
    this.#expect(await this.#lexer.next(), /^stdin$/i, 'stdin');
    this.#expect(await this.#lexer.next(), /^;$/, ';');
    await this.#lexer.text.takeLine(16);
    for (;;) {
      const at = this.#lexer.place;
      const line = await this.#lexer.text.takeLine(MOST_LINE);
      if (line === undefined) throw malformed(at, `expected lines of at most ${MOST_LINE} bytes`);
      if (line === null) throw malformed(at, 'expected \\. after the rows of COPY');
      if (line === '\\.') return;
      if (this.#wanted.has(table)) yield this.#row(table, columns, copyColumns(line), at);
    }
  }

  /** `CREATE TABLE name (` and the names at the start of each of its lines; indexes and keys are no columns. */
  async #create(): Promise<void> {
    let token = await this.#lexer.next();
    if (!/^TABLE$/i.test(token.text)) return this.#skip(token);
    token = await this.#lexer.next();
    while (token.kind === 'word' && /^(?:IF|NOT|EXISTS)$/i.test(token.text)) {
      token = await this.#lexer.next();
    }
    const { table, after } = await this.#table(token);
    if (!this.#wanted.has(table) || after.text !== '(') return this.#skip(after);
    const names: string[] = [];
    let depth = 1;
    let begins = true;
    while (depth > 0) {
      token = await this.#lexer.next();
      if (token.kind === 'end') throw malformed(this.#lexer.place, `expected ) of table ${table}`);
      if (begins && isColumn(token)) names.push(token.text);
      begins = token.kind === 'symbol' && token.text === ',' && depth === 1;
      if (token.kind === 'symbol' && token.text === '(') depth += 1;
      if (token.kind === 'symbol' && token.text === ')') depth -= 1;
    }
    this.#columns.set(table, names);
    await this.#skip();
  }

  async #set(): Promise<void> {
    const words: string[] = [];
    const at = this.#lexer.place;
    for (;;) {
      const token = await this.#lexer.next();
      if (token.kind === 'end' || token.text === ';') break;
      if (words.length < 8) words.push(token.text.toLowerCase().slice(0, 40));
    }
    this.#frame.setting(at, words.join(' '));
  }

  /** A table's name, without its schema. */
  async #table(first: Token): Promise<{ readonly table: string; readonly after: Token }> {
    if (first.kind !== 'word' && first.kind !== 'name') {
      throw malformed(this.#lexer.place, `expected a table, found ${shownToken(first)}`);
    }
    let table = first.text;
    let after = await this.#lexer.next();
    // `public.tuf_files` is one word; `"public"."tuf_files"` comes in three pieces.
    for (; table.endsWith('.') || after.text.startsWith('.'); after = await this.#lexer.next()) {
      table = after.text === '.' ? (await this.#lexer.next()).text : after.text;
    }
    return { table: table.slice(table.lastIndexOf('.') + 1), after };
  }

  async #names(): Promise<readonly string[]> {
    const names: string[] = [];
    for (;;) {
      const name = await this.#lexer.next();
      if ((name.kind !== 'word' && name.kind !== 'name') || names.length >= MOST_COLUMNS) {
        throw malformed(this.#lexer.place, `expected a column, found ${shownToken(name)}`);
      }
      names.push(name.text);
      const end = await this.#lexer.next();
      if (end.text === ')') return names;
      this.#expect(end, /^,$/, ', or )');
    }
  }

  async #values(): Promise<readonly (string | null)[]> {
    const values: (string | null)[] = [];
    for (;;) {
      if (values.length >= MOST_COLUMNS) {
        throw malformed(this.#lexer.place, `expected at most ${MOST_COLUMNS} values in a row`);
      }
      values.push(await this.#value());
      const end = await this.#lexer.next();
      if (end.kind === 'symbol' && end.text === ')') return values;
      this.#expect(end, /^,$/, ', or )');
    }
  }

  async #value(): Promise<string | null> {
    const at = this.#lexer.place;
    const token = await this.#lexer.next();
    if (token.kind === 'string') return token.text;
    if (token.kind !== 'word') throw malformed(at, `expected a value, found ${shownToken(token)}`);
    if (/^NULL$/i.test(token.text)) return null;
    // MySQL's introducer of a string of bytes.
    if (/^_binary$/i.test(token.text)) return this.#value();
    if (this.#lexer.dialect === 'mysql' && token.text.startsWith('0x')) {
      const bytes = fromHex(token.text.slice(2));
      if (bytes === undefined) throw malformed(at, 'expected hexadecimal digits after 0x');
      return bytes.toString('latin1');
    }
    if (/^[+-]?[0-9]+(?:\.[0-9]+)?$/.test(token.text)) return token.text;
    throw malformed(at, `expected a value, found ${shownToken(token)}`);
  }

  #row(
    table: string,
    columns: readonly string[],
    values: readonly (string | null)[],
    at: Place,
  ): DumpRow {
    if (values.length !== columns.length) {
      throw malformed(
        at,
        `expected ${columns.length} columns of ${table}, found ${values.length} values`,
      );
    }
    const named = new Map(columns.map((name, index) => [name, values[index] ?? null]));
    return { table, columns: named, dialect: this.#lexer.dialect, at };
  }

  /** Consumes the rest of a statement. */
  async #skip(from?: Token): Promise<void> {
    let token = from ?? (await this.#lexer.next());
    while (token.kind !== 'end' && !(token.kind === 'symbol' && token.text === ';')) {
      token = await this.#lexer.next();
    }
  }

  #expect(token: Token, pattern: RegExp, what: string): void {
    if (token.kind !== 'string' && pattern.test(token.text)) return;
    throw malformed(this.#lexer.place, `expected ${what}, found ${shownToken(token)}`);
  }
}

const NO_COLUMN = /^(?:PRIMARY|UNIQUE|KEY|INDEX|CONSTRAINT|FOREIGN|CHECK|FULLTEXT|SPATIAL)$/i;

function isColumn(token: Token): boolean {
  if (token.kind === 'name') return true;
  return token.kind === 'word' && !NO_COLUMN.test(token.text);
}
