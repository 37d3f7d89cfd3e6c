import { shortDigest } from '../../../src/oci/digest.ts';
import type { Tally } from './tally.ts';
import { summaryOf } from './tally.ts';
import type { Judged, Verdict } from './verdict.ts';
import { reasonOf } from './verdict.ts';

const TITLES: readonly (readonly [Verdict, string])[] = [
  ['refused', 'would be refused'],
  ['warned', 'would be refused once their policy enforces'],
  ['unknown', 'could not be found out'],
];

/** The result for a program. */
export function scanJson(
  tally: Tally,
  record: number | null,
  unchecked: readonly string[],
): object {
  return {
    images: tally.listed.map(({ image, digest, verdict, policy, code, message }) => ({
      image,
      digest,
      verdict,
      policy,
      reason: { code, message },
    })),
    problems: tally.problems.map(({ repository, tags, code, message }) => ({
      repository,
      tags,
      error: { code, message },
    })),
    counts: tally.counts,
    repositories: tally.repositories,
    record,
    ...(unchecked.length === 0 ? {} : { unchecked }),
  };
}

/** The result for a person: a table for each verdict that is no plain yes, then the counts. */
export function scanText(tally: Tally): string {
  const parts: string[] = [];
  for (const [verdict, title] of TITLES) {
    const rows = tally.listed.filter((one) => one.verdict === verdict);
    if (rows.length > 0) parts.push(`${title}: ${rows.length}`, ...table(rows), '');
  }
  if (tally.problems.length > 0) {
    parts.push(`repositories that were not scanned: ${tally.problems.length}`);
    for (const { repository, tags, message } of tally.problems)
      parts.push(`  ${repository}${tags === 0 ? '' : ` (${tags} tags)`}: ${message}`);
    parts.push('');
  }
  return [...parts, summaryOf(tally)].join('\n');
}

function table(rows: readonly Judged[]): readonly string[] {
  const cells = [
    ['IMAGE', 'DIGEST', 'POLICY', 'REASON'],
    ...rows.map((one) => [
      one.image,
      one.digest === null ? '-' : shortDigest(one.digest),
      one.policy ?? '-',
      reasonOf(one),
    ]),
  ];
  const widths = [0, 1, 2].map((at) =>
    cells.reduce((most, row) => Math.max(most, row[at]?.length ?? 0), 0),
  );
  return cells.map((row) =>
    `  ${row.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join('  ')}`.trimEnd(),
  );
}
