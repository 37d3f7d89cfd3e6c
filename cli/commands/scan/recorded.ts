import { messageOf } from '../../../src/lib/errors.ts';
import { recordScan } from '../../api/surveys.ts';
import type { Context } from '../../commands.ts';
import type { RegistryFlags } from '../../registry.ts';
import { openRegistry } from '../../registry.ts';
import { tallyOf } from './tally.ts';
import type { Target } from './targets.ts';
import type { Judged } from './verdict.ts';

/** Names that one event takes. */
const NAMES = 32;

/** A scan that is to be recorded. */
export interface RecordedScan {
  readonly context: Context;
  readonly flags: RegistryFlags;
  readonly server: string | undefined;
  readonly targets: readonly Target[];
  readonly results: ReadonlyMap<string, Judged>;
  readonly complete: boolean;
}

/**
 * Has each Countersign that was asked record one event: who scanned what, and what came out. Returns
 * the number of the last. What cannot be recorded is said and takes nothing from the result.
 */
export async function recordScans(scan: RecordedScan): Promise<number | null> {
  const { context, flags, server, targets, results, complete } = scan;
  let record: number | null = null;
  for (const [host, asked] of byServer(targets, server)) {
    // A client of its own: the scan's may have been interrupted, and this is what is left to say.
    const client = openRegistry({ host }, flags, context.env);
    try {
      for (let at = 0; at < asked.length; at += NAMES) {
        const some = asked.slice(at, at + NAMES);
        const judged = [...results.values()].filter((one) =>
          some.some((target) => names(target, one)),
        );
        const { counts } = tallyOf(judged, [], 0);
        const repositories = some.map((target) => target.name);
        record = await recordScan(client, { repositories, counts, complete });
      }
    } catch (error) {
      context.output().warn(`the scan could not be recorded: ${messageOf(error)}`);
    } finally {
      await client.close();
    }
  }
  return record;
}

function byServer(
  targets: readonly Target[],
  server: string | undefined,
): ReadonlyMap<string, readonly Target[]> {
  if (server !== undefined) return new Map([[server, targets]]);
  return Map.groupBy(targets, (target) => target.host);
}

function names({ host, path, name }: Target, { image }: Judged): boolean {
  return image.startsWith(path === null ? `${host}/` : `${name}:`);
}
