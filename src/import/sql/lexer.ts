import { quote } from '../../lib/quote.ts';
import type { ByteText, Place } from './byte-text.ts';
import { malformed } from './malformed.ts';

/** Whose SQL it is: they differ in what a backslash and a number sign mean. */
export type Dialect = 'postgres' | 'mysql';

/** A piece of a statement. Text is one character per byte. */
export interface Token {
  /** `word`: a keyword, number or name; `name`: one in quotes; `end`: of the file. */
  readonly kind: 'word' | 'name' | 'string' | 'symbol' | 'end';
  readonly text: string;
}

/** Largest value: a file of the largest size that a repository may have, in hexadecimal digits. */
const MOST_VALUE = 36 * 1024 * 1024;
const MOST_COMMENT = 1024 * 1024;
const END: Token = { kind: 'end', text: '' };

const MYSQL_ESCAPES: Readonly<Record<string, string>> = {
  '0': '\0',
  b: '\b',
  n: '\n',
  r: '\r',
  t: '\t',
  Z: '\u001a',
};

/** Splits the SQL of a dump into tokens. Throws IMPORT_UNREADABLE with file and line where it is none. */
export class Lexer {
  readonly text: ByteText;
  readonly dialect: Dialect;
  readonly #comment: (text: string) => void;

  /** `comment` is told of each comment, whose text is part of the dump's own meta-data. */
  constructor(text: ByteText, dialect: Dialect, comment: (text: string) => void) {
    this.text = text;
    this.dialect = dialect;
    this.#comment = comment;
  }

  /** The place of the next token, or of the blanks before it. */
  get place(): Place {
    return this.text.place;
  }

  /** The next token. */
  async next(): Promise<Token> {
    await this.skipBlanks();
    const first = await this.text.peek(1);
    if (first === '') return END;
    if (first === "'") return { kind: 'string', text: await this.#quoted("'") };
    if (first === '"' || first === '`') return this.#doubleQuoted(first);
    if (first === '$' && this.dialect === 'postgres') {
      return { kind: 'string', text: await this.#dollarQuoted() };
    }
    if (/[\w.+-]/.test(first)) {
      return { kind: 'word', text: await this.#take(/[\w.+-]*/y, 'word') };
    }
    this.text.skip(1);
    return { kind: 'symbol', text: first };
  }

  /** Consumes blanks and comments. */
  async skipBlanks(): Promise<void> {
    for (;;) {
      await this.#take(/[ \t\r\n]*/y, 'run of blanks');
      const two = await this.text.peek(2);
      if (two === '--' || (two.startsWith('#') && this.dialect === 'mysql')) {
        this.#comment((await this.text.takeLine(MOST_COMMENT)) ?? '');
      } else if (two === '/*') {
        await this.#blockComment();
      } else return;
    }
  }

  async #blockComment(): Promise<void> {
    const at = this.place;
    const pieces: string[] = [];
    this.text.skip(2);
    for (let length = 0; length <= MOST_COMMENT;) {
      const piece = await this.text.takeWhile(/[^*]*/y, MOST_COMMENT);
      const end = await this.text.peek(2);
      if (piece === undefined || end.length < 2) break;
      pieces.push(piece);
      this.text.skip(end === '*/' ? 2 : 1);
      if (end === '*/') {
        this.#comment(pieces.join('*'));
        return;
      }
      length += piece.length + 1;
    }
    throw malformed(at, 'expected the end of a comment');
  }

  async #doubleQuoted(mark: string): Promise<Token> {
    const text = await this.#quoted(mark);
    // MySQL takes both marks for strings, unless told otherwise.
    return { kind: mark === '"' && this.dialect === 'mysql' ? 'string' : 'name', text };
  }

  async #quoted(mark: string): Promise<string> {
    const at = this.place;
    const escapes = this.dialect === 'mysql' && mark !== '`';
    const plain = escapes
      ? mark === "'"
        ? /[^'\\]*/y
        : /[^"\\]*/y
      : mark === "'"
        ? /[^']*/y
        : mark === '"'
          ? /[^"]*/y
          : /[^`]*/y;
    const pieces: string[] = [];
    this.text.skip(1);
    for (let length = 0; length <= MOST_VALUE;) {
      const run = await this.text.takeWhile(plain, MOST_VALUE);
      const two = await this.text.peek(2);
      if (run === undefined || two === '') break;
      pieces.push(run);
      length += run.length + 1;
      if (two.startsWith('\\')) {
        if (two.length < 2) break;
        pieces.push(MYSQL_ESCAPES[two.charAt(1)] ?? two.charAt(1));
        this.text.skip(2);
      } else if (two === mark + mark) {
        pieces.push(mark);
        this.text.skip(2);
      } else {
        this.text.skip(1);
        return pieces.join('');
      }
    }
    throw malformed(at, `expected a value that ends with ${mark} within ${MOST_VALUE} bytes`);
  }

  async #dollarQuoted(): Promise<string> {
    const at = this.place;
    const mark = /^\$(?:[A-Za-z_]\w*)?\$/.exec(await this.text.peek(66))?.[0];
    if (mark === undefined) throw malformed(at, 'expected a value between dollar signs');
    this.text.skip(mark.length);
    const pieces: string[] = [];
    for (let length = 0; length <= MOST_VALUE;) {
      const run = await this.text.takeWhile(/[^$]*/y, MOST_VALUE);
      const next = await this.text.peek(mark.length);
      if (run === undefined || next === '') break;
      pieces.push(run);
      length += run.length + 1;
      if (next === mark) {
        this.text.skip(mark.length);
        return pieces.join('');
      }
      pieces.push('$');
      this.text.skip(1);
    }
    throw malformed(at, `expected a value that ends with ${mark}`);
  }

  async #take(pattern: RegExp, what: string): Promise<string> {
    const at = this.place;
    const text = await this.text.takeWhile(pattern, MOST_VALUE);
    if (text === undefined) throw malformed(at, `expected a shorter ${what}`);
    return text;
  }
}

/** A token as messages show it. */
export function shownToken(token: Token): string {
  return token.kind === 'end' ? 'the end of the file' : quote(token.text, 40);
}
