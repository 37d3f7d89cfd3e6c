import type { Token } from './lexer.ts';
import { malformed } from './malformed.ts';
import type { StatementReader } from './statement.ts';

const NO_COLUMN = /^(?:PRIMARY|UNIQUE|KEY|INDEX|CONSTRAINT|FOREIGN|CHECK|FULLTEXT|SPATIAL)$/i;

/**
 * The columns of a table by the body of its CREATE TABLE, up to the `)` that ends it: the names at the
 * start of each of its lines, of which indexes and keys are no columns. Throws IMPORT_UNREADABLE.
 */
export async function tableColumns(
  { lexer }: StatementReader,
  table: string,
): Promise<readonly string[]> {
  const names: string[] = [];
  let begins = true;
  for (let depth = 1; depth > 0;) {
    const token = await lexer.next();
    if (token.kind === 'end') throw malformed(lexer.place, `expected ) of table ${table}`);
    if (begins && isColumn(token)) names.push(token.text);
    begins = token.kind === 'symbol' && token.text === ',' && depth === 1;
    if (token.kind === 'symbol' && token.text === '(') depth += 1;
    if (token.kind === 'symbol' && token.text === ')') depth -= 1;
  }
  return names;
}

function isColumn(token: Token): boolean {
  if (token.kind === 'name') return true;
  return token.kind === 'word' && !NO_COLUMN.test(token.text);
}
