const ESCAPES: Readonly<Record<string, string>> = {
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
};

/**
 * The columns of one line of `COPY … FROM stdin` (PostgreSQL's text format): tabs between them, `\N`
 * for NULL, backslashes before what would be misread.
 */
export function copyColumns(line: string): readonly (string | null)[] {
  return line.split('\t').map((column) => (column === '\\N' ? null : unescaped(column)));
}

function unescaped(column: string): string {
  if (!column.includes('\\')) return column;
  return column.replace(
    /\\(?:([0-7]{1,3})|x([0-9A-Fa-f]{1,2})|(.))/gs,
    (_whole, octal?: string, hex?: string, plain = '') => {
      if (octal !== undefined) return String.fromCharCode(Number.parseInt(octal, 8) & 0xff);
      if (hex !== undefined) return String.fromCharCode(Number.parseInt(hex, 16));
      return ESCAPES[plain] ?? plain;
    },
  );
}
