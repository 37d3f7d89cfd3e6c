import type { ImportReport, RepositoryReport } from './report.ts';
import { nothingStored } from './report.ts';
import type { NotarySource } from './source.ts';
import { takeOver } from './take-over.ts';
import type { ImportTarget } from './target.ts';

/**
 * Takes over every repository of a source, or only those that are named, one after the other: each is
 * on disk before the next begins, so that an import that was cut off goes on where it was. `progress`
 * hears of each when it is done. Throws where source or store cannot be asked.
 */
export async function importAll(
  source: NotarySource,
  target: ImportTarget,
  named: readonly string[],
  progress: (report: RepositoryReport, done: number, all: number) => void,
): Promise<ImportReport> {
  const there = await source.guns();
  const guns = named.length > 0 ? [...new Set(named)] : there;
  const known = new Set(there);
  const repositories: RepositoryReport[] = [];
  for (const gun of guns) {
    const report = known.has(gun)
      ? await takeOver(source, target, gun)
      : nothingStored(gun, 'refused', `${source.name} has no such repository`);
    repositories.push(report);
    progress(report, repositories.length, guns.length);
  }
  const rotate = repositories
    .filter(({ keys }) => keys?.timestamp === 'missing' || keys?.snapshot === 'missing')
    .map(({ gun }) => gun);
  return { source: source.name, dryRun: target.writes === null, repositories, rotate };
}
