import { fromHex } from './binary-value.ts';
import { shownToken } from './lexer.ts';
import { malformed } from './malformed.ts';
import type { StatementReader } from './statement.ts';
import { MOST_COLUMNS } from './statement.ts';

/** The values of a row of INSERT, up to `)`, which is consumed. Throws IMPORT_UNREADABLE. */
export async function insertValues(reader: StatementReader): Promise<readonly (string | null)[]> {
  const { lexer } = reader;
  const values: (string | null)[] = [];
  for (;;) {
    if (values.length >= MOST_COLUMNS) {
      throw malformed(lexer.place, `expected at most ${MOST_COLUMNS} values in a row`);
    }
    values.push(await value(reader));
    const end = await lexer.next();
    if (end.kind === 'symbol' && end.text === ')') return values;
    reader.expect(end, /^,$/, ', or )');
  }
}

async function value({ lexer }: StatementReader): Promise<string | null> {
  const at = lexer.place;
  let token = await lexer.next();
  // MySQL's introducer of a string of bytes.
  if (token.kind === 'word' && /^_binary$/i.test(token.text)) token = await lexer.next();
  if (token.kind === 'string') return token.text;
  if (token.kind !== 'word') throw malformed(at, `expected a value, found ${shownToken(token)}`);
  if (/^NULL$/i.test(token.text)) return null;
  if (lexer.dialect === 'mysql' && token.text.startsWith('0x')) {
    const bytes = fromHex(token.text.slice(2));
    if (bytes === undefined) throw malformed(at, 'expected hexadecimal digits after 0x');
    return bytes.toString('latin1');
  }
  if (/^[+-]?[0-9]+(?:\.[0-9]+)?$/.test(token.text)) return token.text;
  throw malformed(at, `expected a value, found ${shownToken(token)}`);
}
