import { openClients } from '../../clients.ts';
import type { Context } from '../../commands.ts';
import { showCounting } from '../../counting.ts';
import { interruptible } from '../../interrupt.ts';
import { openRegistry } from '../../registry.ts';
import { parseServer } from '../../server.ts';
import { UNCHECKED } from '../verify/offline.ts';
import { openTrustReading } from '../verify/trust-data.ts';
import type { Journal } from './journal.ts';
import { judgeByPolicies, judgeByServer, policyFiles } from './judge.ts';
import { Judging } from './judging.ts';
import type { Listed } from './listing.ts';
import { imagesOf, listImages } from './listing.ts';
import type { Scan, ScanFlags } from './plan.ts';
import { earlierOf, openJournalOf } from './plan.ts';
import { PATIENT } from './patience.ts';
import { recordScans } from './recorded.ts';
import { scanJson, scanText } from './report.ts';
import { expectNoFile, writeReview } from './review.ts';
import type { Problem, Tally } from './tally.ts';
import { exitOf, tallyOf } from './tally.ts';
import { parseTargets, repositoriesOf } from './targets.ts';
import type { Tagged } from './verdict.ts';

/** Judges every image of the repositories and prints what would be refused. */
export async function runScan(
  context: Context,
  texts: readonly string[],
  flags: ScanFlags,
): Promise<void> {
  const server = flags.server === undefined ? undefined : parseServer(flags.server);
  const targets = parseTargets(texts, server);
  if (flags.write !== undefined) await expectNoFile(flags.write);
  const work = interruptible();
  const clients = openClients((host) =>
    openRegistry({ host }, flags, context.env, work.signal, PATIENT),
  );
  const trust = openTrustReading(context, flags);
  try {
    const judge =
      flags.offline === true
        ? judgeByPolicies(clients.of, policyFiles(context, flags), trust.read)
        : judgeByServer((image) => clients.of(server ?? image.host));
    await scan({ context, flags, server, targets, clients, judge, work });
  } finally {
    await clients.close();
    await trust.close();
    work.end();
  }
}

async function scan(plan: Scan): Promise<void> {
  const { targets, clients } = plan;
  const repositories = await repositoriesOf(targets, clients.of);
  const { listed, problems } = await listImages(repositories, clients.of);
  const journal = await openJournalOf(plan);
  let left = true;
  try {
    left = await judgeAndReport(plan, journal, listed, problems);
  } finally {
    await (left ? journal?.keep() : journal?.remove());
  }
}

/** Returns whether anything is left that `--resume` could go on with. */
async function judgeAndReport(
  plan: Scan,
  journal: Journal | null,
  listed: readonly Listed[],
  unlisted: readonly Problem[],
): Promise<boolean> {
  const { context, flags, judge, work } = plan;
  const output = context.output();
  const images = (): Iterable<Tagged> => imagesOf(listed);
  const total = listed.reduce((sum, { tags }) => sum + tags.length, 0);
  const earlier = earlierOf(journal, images());
  if (earlier.length > 0) {
    const known = earlier.length + 1;
    output.note(
      `going on: ${known} of ${total} were judged before, the last of them is judged again`,
    );
  }
  const counting = showCounting(output, { doing: 'scanned', total, begun: earlier.length });
  const judging = new Judging({
    judge,
    journal,
    counting,
    signal: work.signal,
    onChanged: (count) =>
      output.note(`policies or revocations changed meanwhile: ${count} images are judged again`),
  });
  for (const judged of earlier) judging.takeOver(judged);
  const { results } = judging;
  const record = (complete: boolean): Promise<number | null> =>
    flags.offline === true || results.size === 0
      ? Promise.resolve(null)
      : recordScans({ ...plan, results, complete });
  try {
    await judging.run(images);
  } catch (error) {
    counting.end();
    if (results.size > earlier.length) await record(false);
    if (!work.signal.aborted) throw error;
    const after = `interrupted after ${results.size} of ${total} images`;
    output.warn(journal === null ? after : `${after}; the same command with --resume goes on`);
    return true;
  }
  counting.end();
  const problems = [...unlisted, ...judging.problems()];
  const tally = tallyOf(results.values(), problems, listed.length);
  await report(plan, tally, await record(true));
  return tally.counts.unknown > 0;
}

async function report(
  { context, flags }: Scan,
  tally: Tally,
  record: number | null,
): Promise<void> {
  const output = context.output();
  const unchecked = flags.offline === true ? UNCHECKED : [];
  output.result(scanJson(tally, record, unchecked), () => scanText(tally));
  if (unchecked.length > 0) output.note(`not checked offline: ${unchecked.join(', ')}`);
  context.exit(exitOf(tally));
  if (flags.write === undefined) return;
  const count = await writeReview(flags.write, tally, new Date());
  output.note(
    `${count} images to review are in ${flags.write}: delete what is not to be signed, then: countersign scan --sign ${flags.write} --key NAME`,
  );
}
