import type { ImportReport, RepositoryReport } from '../../../src/import/report.ts';
import { oneLine } from '../../display.ts';
import type { Output } from '../../output.ts';

const WOULD: Readonly<Record<string, string>> = {
  imported: 'would be imported',
  updated: 'would be updated',
};

/** One repository in one line. */
function lineOf(report: RepositoryReport, dryRun: boolean): string {
  const { gun, outcome, reason, files, changes, tags, keys, readOnlyFrom, certificateEnds } =
    report;
  const { signedBefore } = report;
  const said = (dryRun ? WOULD[outcome] : undefined) ?? outcome;
  if (reason !== null) return `${gun}: ${said}: ${reason}`;
  const parts = [`${gun}: ${said}`];
  if (files > 0) parts.push(count(files, 'file'), count(tags, 'signed tag'));
  else if (changes > 0) parts.push(count(changes, 'line') + ' of the changefeed');
  if (files > 0 && signedBefore > 0) parts.push(count(signedBefore, 'digest') + ' signed before');
  if (keys?.snapshot === 'owner') parts.push('the owner keeps the snapshot key');
  if (readOnlyFrom !== null) {
    parts.push(
      `read-only, and refused by clients from ${readOnlyFrom} on, because keys are missing`,
    );
  }
  if (certificateEnds !== null) parts.push(`root certificate ends ${certificateEnds}`);
  return parts.join(', ');
}

/** Prints what an import did, repository by repository, then what owners have to do. */
export function printReport(output: Output, report: ImportReport): void {
  output.result(report, () => {
    const { repositories, dryRun, rotate } = report;
    const lines = repositories.flatMap((one) => [
      oneLine(lineOf(one, dryRun)),
      ...one.notes.map((note) => `  ${oneLine(note)}`),
    ]);
    return [...lines, '', totals(report), ...rotation(rotate)].join('\n');
  });
}

function totals({ repositories, dryRun }: ImportReport): string {
  const tally = new Map<string, number>();
  for (const { outcome } of repositories) tally.set(outcome, (tally.get(outcome) ?? 0) + 1);
  const counted = [...tally].map(([outcome, number]) => `${number} ${outcome}`).join(', ');
  const all = `${count(repositories.length, 'repository', 'repositories')}: ${counted || 'nothing to do'}`;
  return dryRun ? `${all} (dry run: nothing was written)` : all;
}

function rotation(repositories: readonly string[]): readonly string[] {
  if (repositories.length === 0) return [];
  return [
    '',
    'Keys of these stayed with the old server. Until their owners, with the root key, have changed to ours, nobody can sign there:',
    ...repositories.map((gun) => `  ${gun}`),
    'Each owner runs, against this service and before the repository can only be refused:',
    '  countersign root rotate --server-keys REPOSITORY',
    'With --expired-timestamp where the timestamp of a server that is gone has ended already.',
  ];
}

const count = (number: number, one: string, many = `${one}s`): string =>
  `${number} ${number === 1 ? one : many}`;
