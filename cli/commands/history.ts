import type { Command } from 'commander';
import { Option } from 'commander';
import { CountersignError } from '../../src/lib/errors.ts';
import { quote } from '../../src/lib/quote.ts';
import { unwrap } from '../../src/lib/result.ts';
import { EVENT_TYPES, parseEventType } from '../../src/log/event-types.ts';
import { formatReference, parseHost, parseReference } from '../../src/oci/reference.ts';
import { askHistory } from '../api/history.ts';
import type { Context } from '../commands.ts';
import type { RegistryFlags } from '../registry.ts';
import { addRegistryOptions, openRegistry } from '../registry.ts';
import { historyTable } from './history/table.ts';

interface Flags extends RegistryFlags {
  readonly server?: string;
  readonly limit?: string;
  readonly before?: string;
  readonly type?: string;
  readonly log?: string;
  readonly record?: string;
}

/** Adds `history`. */
export function define(program: Command, context: Context): void {
  const command = program
    .command('history [image]')
    .description('the record: who signed, what was refused and why, newest first')
    .option('--server <url>', 'the Countersign to ask (default: the one that serves the image)')
    .option('--limit <n>', 'at most so many events, up to 1000', '50')
    .option('--before <sequence>', 'the next page: the number that the last line of a page names')
    .option('--type <type>', 'only events of a type, such as deny, signature or revocation')
    .addOption(new Option('--log <log>', 'only one of the two logs').choices(['sig', 'dec']))
    .option(
      '--record <n>',
      'the one event of this number, as refusals name it (log dec), or as lists do: sig/7',
    );
  addRegistryOptions(command)
    .addHelpText(
      'after',
      `
IMAGE is a repository, HOST/NAME:TAG or HOST/NAME@sha256:…; without it, everything that --server
has is listed, which needs the right to administer.

Types in log dec: ${EVENT_TYPES.dec.join(', ')}.
Types in log sig: ${EVENT_TYPES.sig.join(', ')}.

Examples:
  $ countersign history registry.example.com/prod/app
  $ countersign history registry.example.com/prod/app:1.2 --type deny
  $ countersign history --server registry.example.com --record 184`,
    )
    .action((image: string | undefined, flags: Flags) => run(context, image, flags));
}

/** Asks the service and prints the page. A tag is not invented: a bare repository means all of it. */
async function run(context: Context, text: string | undefined, flags: Flags): Promise<void> {
  const image = text === undefined ? undefined : unwrap(parseReference(text));
  if (image === undefined && flags.server === undefined)
    throw new CountersignError('USAGE', 'expected an image or --server HOST, found neither');
  const one = flags.record === undefined ? {} : recordOf(flags.record, flags.log);
  const host = flags.server === undefined ? image?.host : hostOf(flags.server);
  const client = openRegistry({ host: host ?? '' }, flags, context.env);
  try {
    const page = await askHistory(client, {
      limit: flags.limit ?? '50',
      ...(image === undefined ? {} : { image: formatReference(image) }),
      ...(flags.before === undefined ? {} : { before: beforeOf(flags.before) }),
      ...(flags.type === undefined ? {} : { type: typeOf(flags.type) }),
      ...(flags.log === undefined ? {} : { log: flags.log }),
      ...one,
    });
    const output = context.output();
    output.result(page, () =>
      page.events.length === 0 ? 'No events.' : historyTable(page.events),
    );
    if (page.next !== null) output.note(`older events: --before ${page.next}`);
  } finally {
    await client.close();
  }
}

/** The event that `--record` names: `184`, or with its log, `sig/7`. Throws USAGE. */
function recordOf(text: string, log: string | undefined): { index: string; log: string } {
  const [, named, index] = /^(?:(sig|dec)\/)?([0-9]{1,15})$/.exec(text) ?? [];
  if (index === undefined || (named !== undefined && log !== undefined && named !== log)) {
    throw new CountersignError(
      'USAGE',
      `expected --record to be a number, or sig/N or dec/N of the log that is asked, found ${quote(text)}`,
    );
  }
  return { index, log: named ?? log ?? 'dec' };
}

/** What `--type` names. Throws USAGE. */
function typeOf(text: string): string {
  const type = parseEventType(text);
  if (type.ok) return type.value;
  throw new CountersignError('USAGE', type.refusal.message);
}

/** What `--before` names: events are numbered over both logs there. Throws USAGE. */
function beforeOf(text: string): string {
  if (/^[0-9]{1,15}$/.test(text)) return text;
  throw new CountersignError(
    'USAGE',
    `expected --before to be the number in the last line of a page ("older events: --before N"), found ${quote(text)}`,
  );
}

/** The host of `--server`, given as a URL or as the bare host; how it is spoken to is found out, as for every registry. */
function hostOf(server: string): string {
  const bare = /^https?:\/\/([^/?#]+)\/?$/.exec(server)?.[1] ?? server;
  const host = parseHost(bare);
  if (host.ok) return host.value;
  throw new CountersignError(
    'USAGE',
    `expected --server to be a URL or HOST:PORT, found ${quote(server, 120)}`,
  );
}
