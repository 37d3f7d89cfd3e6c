import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { format } from 'prettier';
import { disagreements, matrixTable, readProofs, withTable } from './client-matrix.ts';

// `npm run docs:clients`: writes the README's client matrix from the proofs that the gate suites have
// just left in a folder. With `--check` it writes nothing, prints the table, and exits with 1 where
// the committed one says anything else; versions move with Debian and are not compared.
const [folder = '', flag] = process.argv.slice(2);
const file = join(import.meta.dirname, '..', 'README.md');
const page = readFileSync(file, 'utf8');
const table = matrixTable(readProofs(folder));
if (flag === '--check') {
  const found = disagreements(page, table);
  process.stdout.write(`${[table, ...found].join('\n')}\n`);
  if (found.length > 0) {
    process.stdout.write('the client matrix of README.md is not this one: npm run docs:clients\n');
    process.exitCode = 1;
  }
} else {
  const written = withTable(page, table);
  writeFileSync(file, await format(written, { parser: 'markdown', singleQuote: true }));
}
