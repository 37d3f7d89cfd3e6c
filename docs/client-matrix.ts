import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** What is asked of every client. */
export const MATRIX_COLUMNS = [
  'pull signed',
  'pull unsigned',
  'push signed',
  'push unsigned',
  'hold',
  'multi-arch',
] as const;
export type MatrixColumn = (typeof MATRIX_COLUMNS)[number];

/** What one test has proved of one client, as test/support/client-matrix.ts writes it down. */
export interface Proof {
  readonly client: string;
  /** Its programs with their versions. */
  readonly versions: readonly (readonly [string, string])[];
  /** What the gate stood in front of. */
  readonly backend: string;
  readonly column: MatrixColumn;
  readonly value: string;
}

const BEGIN = '<!-- client matrix: written by `npm run docs:clients` -->';
const END = '<!-- end of the client matrix -->';
/** In a cell that no test has proved. */
const UNPROVED = 'not proved';

/** The proofs that a run of the tests left in a folder. */
export function readProofs(folder: string): readonly Proof[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith('.jsonl'))
    .flatMap((name) => readFileSync(join(folder, name), 'utf8').split('\n'))
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Proof);
}

/**
 * The table of what was proved, clients in alphabetical order. A cell holds what every backend that
 * the client was tried on has proved; what only one of them has proved is not proved.
 */
export function matrixTable(proofs: readonly Proof[]): string {
  const clients = [...new Set(proofs.map((proof) => proof.client))].sort();
  const rows = clients.map((client) => {
    const own = proofs.filter((proof) => proof.client === client);
    const cells = MATRIX_COLUMNS.map((column) => cell(own, column));
    return `| ${[client, versions(own), ...cells].join(' | ')} |`;
  });
  const head = ['client', 'version', ...MATRIX_COLUMNS];
  return [`| ${head.join(' | ')} |`, `|${head.map(() => ' --- |').join('')}`, ...rows].join('\n');
}

/** The page with its table replaced. Throws where the page lacks the marks around it. */
export function withTable(page: string, table: string): string {
  const [before, after] = parts(page);
  return `${before}${BEGIN}\n\n${table}\n\n${END}${after}`;
}

/**
 * How the page's table differs from the one that was proved: its lines on both sides. Versions are left
 * out, and with which words a client introduces the reason (not whether it shows it): a new release
 * of a client must fail no run. Empty where they agree.
 */
export function disagreements(page: string, table: string): readonly string[] {
  const [before, after] = parts(page);
  const committed = page.slice(
    before.length + BEGIN.length,
    page.length - after.length - END.length,
  );
  const here = plainRows(committed);
  const proved = plainRows(table);
  return [
    ...here.filter((row) => !proved.includes(row)).map((row) => `- ${row}`),
    ...proved.filter((row) => !here.includes(row)).map((row) => `+ ${row}`),
  ];
}

function parts(page: string): readonly [string, string] {
  const begin = page.indexOf(BEGIN);
  const end = page.indexOf(END);
  if (begin === -1 || end < begin) throw new Error(`expected the lines "${BEGIN}" and "${END}"`);
  return [page.slice(0, begin), page.slice(end + END.length)];
}

/** The rows of a table however it is padded, without the column of versions and the line of dashes. */
function plainRows(text: string): readonly string[] {
  return text
    .split('\n')
    .filter((line) => line.startsWith('|') && !/^[|\s-]+$/.test(line))
    .map((line) => {
      const cells = line.split('|').map((one) => one.trim().replaceAll(/`[^`]*`/g, '`…`'));
      return cells.filter((one, at) => one !== '' && at !== 2).join(' | ');
    });
}

function versions(own: readonly Proof[]): string {
  const named = new Map(own.flatMap((proof) => proof.versions));
  const [only, ...more] = [...named.values()];
  if (more.length === 0) return only ?? '';
  return [...named].map(([name, version]) => `${name} ${version}`).join(', ');
}

function cell(own: readonly Proof[], column: MatrixColumn): string {
  const backends = new Set(own.map((proof) => proof.backend));
  const proved = own.filter((proof) => proof.column === column);
  const values = new Set(proved.map((proof) => proof.value));
  const everywhere = new Set(proved.map((proof) => proof.backend)).size === backends.size;
  const [value] = values;
  return value !== undefined && values.size === 1 && everywhere ? value : UNPROVED;
}
