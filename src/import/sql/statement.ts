import type { Lexer, Token } from './lexer.ts';
import { shownToken } from './lexer.ts';
import { malformed } from './malformed.ts';

/** Columns of a table, and values of a row. */
export const MOST_COLUMNS = 100;

/** Reads what statements of every kind are made of. Its methods throw IMPORT_UNREADABLE with file and line. */
export class StatementReader {
  readonly lexer: Lexer;

  constructor(lexer: Lexer) {
    this.lexer = lexer;
  }

  /** A table's name, without its schema, and what stands behind it. */
  async table(first: Token): Promise<{ readonly table: string; readonly after: Token }> {
    if (first.kind !== 'word' && first.kind !== 'name') {
      throw malformed(this.lexer.place, `expected a table, found ${shownToken(first)}`);
    }
    let table = first.text;
    let after = await this.lexer.next();
    // `public.tuf_files` is one word; `"public"."tuf_files"` comes in three pieces.
    for (; table.endsWith('.') || after.text.startsWith('.'); after = await this.lexer.next()) {
      table = after.text === '.' ? (await this.lexer.next()).text : after.text;
    }
    return { table: table.slice(table.lastIndexOf('.') + 1), after };
  }

  /** The names of columns up to `)`, which is consumed. */
  async names(): Promise<readonly string[]> {
    const names: string[] = [];
    for (;;) {
      const name = await this.lexer.next();
      if ((name.kind !== 'word' && name.kind !== 'name') || names.length >= MOST_COLUMNS) {
        throw malformed(this.lexer.place, `expected a column, found ${shownToken(name)}`);
      }
      names.push(name.text);
      const end = await this.lexer.next();
      if (end.text === ')') return names;
      this.expect(end, /^,$/, ', or )');
    }
  }

  /** Consumes the next token after words that may stand before it. */
  async after(words: RegExp): Promise<Token> {
    let token = await this.lexer.next();
    while (token.kind === 'word' && words.test(token.text)) token = await this.lexer.next();
    return token;
  }

  /** Consumes the rest of a statement. */
  async skip(from?: Token): Promise<void> {
    let token = from ?? (await this.lexer.next());
    while (token.kind !== 'end' && !(token.kind === 'symbol' && token.text === ';')) {
      token = await this.lexer.next();
    }
  }

  /** Throws where a token is not as it has to be. */
  expect(token: Token, pattern: RegExp, what: string): void {
    if (token.kind !== 'string' && pattern.test(token.text)) return;
    throw malformed(this.lexer.place, `expected ${what}, found ${shownToken(token)}`);
  }
}
