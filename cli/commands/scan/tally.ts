import type { ScanCounts } from '../../../src/log/scan-event.ts';
import { SCAN_COUNTS } from '../../../src/log/scan-event.ts';
import type { Repository } from '../../../src/oci/reference.ts';
import type { Judged } from './verdict.ts';

/** A repository that could not be scanned, or not to its end. */
export interface Problem {
  readonly repository: Repository;
  /** Tags that were listed and not judged; 0 where they could not even be listed. */
  readonly tags: number;
  readonly code: string;
  readonly message: string;
}

/** What a scan has found out. */
export interface Tally {
  readonly counts: ScanCounts;
  /** All that would not simply be pulled, in the order of their names. */
  readonly listed: readonly Judged[];
  readonly problems: readonly Problem[];
  readonly repositories: number;
}

/** Sums up what was judged. */
export function tallyOf(
  judged: Iterable<Judged>,
  problems: readonly Problem[],
  repositories: number,
): Tally {
  const counts = Object.fromEntries(SCAN_COUNTS.map((name) => [name, 0])) as Record<
    keyof ScanCounts,
    number
  >;
  const listed: Judged[] = [];
  for (const one of judged) {
    counts[one.verdict]++;
    if (one.verdict !== 'allowed' && one.verdict !== 'gone') listed.push(one);
  }
  counts.unknown += problems.reduce((sum, problem) => sum + problem.tags, 0);
  listed.sort((a, b) => order(a.image, b.image));
  return {
    counts,
    listed,
    problems: problems.toSorted((a, b) => order(a.repository, b.repository)),
    repositories,
  };
}

const order = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** 1 where something would be refused, now or once its policy enforces; 3 where something stayed open. */
export function exitOf({ counts, problems }: Tally): 0 | 1 | 3 {
  if (counts.refused + counts.warned > 0) return 1;
  return counts.unknown > 0 || problems.length > 0 ? 3 : 0;
}

/** The counts in words. */
export function summaryOf({
  counts,
  repositories,
}: Pick<Tally, 'counts' | 'repositories'>): string {
  const images = Object.values(counts).reduce((sum, count) => sum + count, 0);
  const parts = [
    `${counts.allowed} would be pulled`,
    `${counts.refused} would be refused`,
    ...(counts.warned === 0 ? [] : [`${counts.warned} would be once their policy enforces`]),
    ...(counts.unknown === 0 ? [] : [`${counts.unknown} could not be found out`]),
    ...(counts.gone === 0 ? [] : [`${counts.gone} not there any more`]),
  ];
  const some = images === 1 ? '1 image' : `${images} images`;
  const where = repositories === 1 ? '1 repository' : `${repositories} repositories`;
  return `${some} in ${where}: ${parts.join(', ')}`;
}
