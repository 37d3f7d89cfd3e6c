import { ByteText } from './byte-text.ts';
import { copyColumns } from './copy-text.ts';
import { DumpFrame } from './dump-frame.ts';
import type { DumpRow } from './dump-row.ts';
import { dumpRow } from './dump-row.ts';
import { insertValues } from './insert-values.ts';
import { Lexer } from './lexer.ts';
import { malformed } from './malformed.ts';
import { StatementReader } from './statement.ts';
import { tableColumns } from './table-columns.ts';

const MOST_LINE = 40 * 1024 * 1024;

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
  readonly #reader: StatementReader;
  readonly #frame: DumpFrame;
  readonly #wanted: ReadonlySet<string>;
  /** Of the tables that are wanted, as CREATE TABLE lists them. */
  readonly #columns = new Map<string, readonly string[]>();

  constructor(lexer: Lexer, frame: DumpFrame, wanted: ReadonlySet<string>) {
    this.#lexer = lexer;
    this.#reader = new StatementReader(lexer);
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
      } else if (first.text !== ';') await this.#reader.skip();
    }
  }

  async *#insert(): AsyncGenerator<DumpRow, void, undefined> {
    const reader = this.#reader;
    const { table, after } = await reader.table(await reader.after(/^(?:INTO|IGNORE)$/i));
    if (!this.#wanted.has(table)) return reader.skip(after);
    const named = after.text === '(';
    const columns = named ? await reader.names() : this.#columns.get(table);
    if (columns === undefined) {
      throw malformed(
        this.#lexer.place,
        `expected CREATE TABLE ${table} before its rows, or their columns by name`,
      );
    }
    reader.expect(named ? await this.#lexer.next() : after, /^VALUES$/i, 'VALUES');
    const { dialect } = this.#lexer;
    for (;;) {
      const at = this.#lexer.place;
      reader.expect(await this.#lexer.next(), /^\($/, '(');
      yield dumpRow({ table, dialect, at }, columns, await insertValues(reader));
      const end = await this.#lexer.next();
      if (end.text === ';') return;
      reader.expect(end, /^,$/, ', or ;');
    }
  }

  async *#copy(): AsyncGenerator<DumpRow, void, undefined> {
    const reader = this.#reader;
    const { table, after } = await reader.table(await this.#lexer.next());
    reader.expect(after, /^\($/, '( and the columns');
    const columns = await reader.names();
    reader.expect(await this.#lexer.next(), /^FROM$/i, 'FROM');
    reader.expect(await this.#lexer.next(), /^stdin$/i, 'stdin');
    reader.expect(await this.#lexer.next(), /^;$/, ';');
    await this.#lexer.text.takeLine(16);
    const { dialect } = this.#lexer;
    for (;;) {
      const at = this.#lexer.place;
      const line = await this.#lexer.text.takeLine(MOST_LINE);
      if (line === undefined) throw malformed(at, `expected lines of at most ${MOST_LINE} bytes`);
      if (line === null) throw malformed(at, 'expected \\. after the rows of COPY');
      if (line === '\\.') return;
      if (this.#wanted.has(table))
        yield dumpRow({ table, dialect, at }, columns, copyColumns(line));
    }
  }

  async #create(): Promise<void> {
    const reader = this.#reader;
    const what = await this.#lexer.next();
    if (!/^TABLE$/i.test(what.text)) return reader.skip(what);
    const { table, after } = await reader.table(await reader.after(/^(?:IF|NOT|EXISTS)$/i));
    if (!this.#wanted.has(table) || after.text !== '(') return reader.skip(after);
    this.#columns.set(table, await tableColumns(reader, table));
    await reader.skip();
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
}
