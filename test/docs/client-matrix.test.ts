import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { MatrixColumn, Proof } from '../../docs/client-matrix.ts';
import { disagreements, matrixTable, readProofs, withTable } from '../../docs/client-matrix.ts';
import { shownAs } from '../support/client-matrix.ts';

const PAGE = `before
<!-- client matrix: written by \`npm run docs:clients\` -->
<!-- end of the client matrix -->
after`;

const proof = (client: string, column: MatrixColumn, more: Partial<Proof> = {}): Proof => ({
  client,
  column,
  versions: [[client, '1.0']],
  backend: 'embedded',
  value: 'yes',
  ...more,
});

describe('the client matrix', () => {
  it('has a line for each client in order, and says what no test has proved', () => {
    const table = matrixTable([proof('zip', 'hold'), proof('ark', 'pull signed')]);
    expect(table.split('\n').slice(2)).toEqual([
      '| ark | 1.0 | yes | not proved | not proved | not proved | not proved | not proved |',
      '| zip | 1.0 | not proved | not proved | not proved | not proved | yes | not proved |',
    ]);
  });

  it('holds nothing for what only one backend has proved, or two differently', () => {
    const other = { backend: 'docker-registry' };
    const one = [proof('ark', 'hold'), proof('ark', 'pull signed', other)];
    expect(matrixTable(one)).toContain(
      '| ark | 1.0 | not proved | not proved | not proved | not proved | not proved | not proved |',
    );
    const two = [proof('ark', 'hold'), proof('ark', 'hold', { ...other, value: 'no' })];
    expect(matrixTable(two)).toContain(
      '| ark | 1.0 | not proved | not proved | not proved | not proved | not proved | not proved |',
    );
    const same = [proof('ark', 'hold'), proof('ark', 'hold', other)];
    expect(matrixTable(same)).toContain(
      '| ark | 1.0 | not proved | not proved | not proved | not proved | yes | not proved |',
    );
  });

  it('is written between its marks, and agrees with itself', () => {
    const table = matrixTable([proof('ark', 'hold')]);
    const page = withTable(PAGE, table);
    expect(page).toMatch(/^before\n<!--[^]*-->\nafter$/);
    expect(withTable(page, table)).toBe(page);
    expect(disagreements(page, table)).toEqual([]);
    expect(() => withTable('no marks', table)).toThrow(/expected the lines/);
  });

  it('disagrees with another cell or client, not with another version, padding or words of the client', () => {
    const page = withTable(PAGE, matrixTable([proof('ark', 'hold')]).replaceAll(' | ', '   |  '));
    const newer = matrixTable([proof('ark', 'hold', { versions: [['ark', '2.0']] })]);
    expect(disagreements(page, newer)).toEqual([]);
    const refused = (value: string) => matrixTable([proof('ark', 'pull unsigned', { value })]);
    const said = withTable(PAGE, refused('refused: `denied: …`'));
    expect(disagreements(said, refused('refused: `403 …`'))).toEqual([]);
    expect(disagreements(said, refused('refused: no reason'))).toHaveLength(2);
    const lost = matrixTable([proof('ark', 'pull signed')]);
    expect(disagreements(page, lost)).toHaveLength(2);
    expect(disagreements(page, matrixTable([]))).toEqual([expect.stringMatching(/^- ark/)]);
  });

  it('is read from all files of the folder', () => {
    const folder = mkdtempSync(join(tmpdir(), 'countersign-test-'));
    const proofs = [proof('ark', 'hold'), proof('zip', 'hold')];
    for (const [at, one] of proofs.entries()) {
      writeFileSync(join(folder, `${at}.jsonl`), `${JSON.stringify(one)}\n`);
    }
    expect(readProofs(folder)).toEqual(proofs);
    rmSync(folder, { recursive: true });
  });

  it('quotes what a client prints before the reason', () => {
    const reason =
      'localhost:1/a:1 (sha256:ab12cd34ef56) not signed: policy p needs bot; found none';
    expect(shownAs(`ctr: 403 ${reason}`)).toBe('`403 …`');
    expect(shownAs(`docker login': denied: ${reason}`)).toBe('`denied: …`');
    expect(shownAs('403 Forbidden')).toBeNull();
  });
});
