import { resolve } from 'node:path';
import { messageOf } from '../../../src/lib/errors.ts';
import { formatReference } from '../../../src/oci/reference.ts';
import type { Clients } from '../../clients.ts';
import type { Context } from '../../commands.ts';
import type { Interruptible } from '../../interrupt.ts';
import type { RegistryFlags } from '../../registry.ts';
import type { Journal } from './journal.ts';
import { defaultJournal, openJournal } from './journal.ts';
import type { Judge } from './judge.ts';
import type { Target } from './targets.ts';
import type { Judged, Tagged } from './verdict.ts';

/** The options of a scan. */
export interface ScanFlags extends RegistryFlags {
  readonly server?: string;
  readonly offline?: boolean;
  readonly policies?: string;
  readonly config?: string;
  readonly journal?: string;
  readonly resume?: boolean;
  readonly write?: string;
}

/** One scan: what is asked, and what it is done with. */
export interface Scan {
  readonly context: Context;
  readonly flags: ScanFlags;
  readonly server: string | undefined;
  readonly targets: readonly Target[];
  readonly clients: Clients;
  readonly judge: Judge;
  readonly work: Interruptible;
}

/** Opens the journal of a scan; `null` where nobody asked for one and there is no place for it. */
export async function openJournalOf({
  context,
  flags,
  server,
  targets,
}: Scan): Promise<Journal | null> {
  const names = targets.map((target) => target.name).toSorted();
  const judge =
    flags.offline === true
      ? ['offline', resolve(flags.policies ?? ''), resolve(flags.config ?? '')]
      : ['server', server ?? ''];
  const question = JSON.stringify([names, ...judge]);
  const file = flags.journal ?? defaultJournal(context.env, question);
  const output = context.output();
  const onTrouble = (why: string): void => output.warn(why);
  try {
    return await openJournal({
      file,
      question,
      resume: flags.resume ?? false,
      now: new Date(),
      onTrouble,
    });
  } catch (error) {
    // Nobody asked for it by name: a home that cannot be written to keeps nobody from scanning.
    if (flags.journal !== undefined || flags.resume === true) throw error;
    output.warn(`${messageOf(error)}; an interrupted scan will begin anew`);
    return null;
  }
}

/**
 * What the journal knows of the images that are there now. The last of them is judged again all the
 * same: it tells whether policies or revocations have changed since.
 */
export function earlierOf(journal: Journal | null, images: Iterable<Tagged>): readonly Judged[] {
  const known: Judged[] = [];
  for (const image of images) {
    const judged = journal?.earlier.get(formatReference(image));
    if (judged !== undefined && judged.basis !== '') known.push(judged);
  }
  return known.slice(0, -1);
}
