import { appendFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { MatrixColumn, Proof } from '../../docs/client-matrix.ts';
import { findClient } from './clients.ts';
import type { GateClient } from './gate-client.ts';
import type { Backend } from './guarded.ts';

/**
 * Writes down what a test has just proved of a client, for the table in the README. Nothing is
 * written unless COUNTERSIGN_CLIENT_MATRIX names a folder, as `npm run docs:clients` and CI do.
 * Call it after the last assertion: what failed proves nothing.
 */
export function proves(
  client: Pick<GateClient, 'name' | 'programs'>,
  backend: Backend,
  column: MatrixColumn,
  value = 'yes',
): void {
  const folder = process.env['COUNTERSIGN_CLIENT_MATRIX'] ?? '';
  if (folder === '') return;
  const versions = client.programs.map((name): [string, string] => [
    name,
    findClient(name)?.version ?? 'missing',
  ]);
  const proof: Proof = { client: client.name, versions, backend, column, value };
  mkdirSync(folder, { recursive: true });
  // One file for each worker, so that no two write to one.
  appendFileSync(join(folder, `${process.pid}.jsonl`), `${JSON.stringify(proof)}\n`);
}

/**
 * How a program shows the reason of a refusal: the word before it, as in `denied: …` or `403 …`;
 * `null` where it does not show it.
 */
export function shownAs(output: string): string | null {
  const before = /(\S+) \S+ (?:\(sha256:[0-9a-f]{12}\) )?not signed: policy \S+ needs /.exec(
    output,
  );
  return before === null ? null : `\`${before[1] ?? ''} …\``;
}
