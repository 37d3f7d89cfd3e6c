import type { Place } from './byte-text.ts';
import type { Dialect } from './lexer.ts';
import { malformed } from './malformed.ts';

/** A row of a table: its columns by name, one character per byte. */
export interface DumpRow {
  readonly table: string;
  readonly columns: ReadonlyMap<string, string | null>;
  readonly dialect: Dialect;
  readonly at: Place;
}

/** Names the values of a row. Throws IMPORT_UNREADABLE where there are more or fewer than columns. */
export function dumpRow(
  row: Omit<DumpRow, 'columns'>,
  names: readonly string[],
  values: readonly (string | null)[],
): DumpRow {
  if (values.length !== names.length) {
    throw malformed(
      row.at,
      `expected ${names.length} columns of ${row.table}, found ${values.length} values`,
    );
  }
  return { ...row, columns: new Map(names.map((name, index) => [name, values[index] ?? null])) };
}
