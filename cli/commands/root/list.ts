import { dockerConfigFolder } from '../../../src/config/docker-folder.ts';
import type { KeyStore } from '../../../src/keys/key-store.ts';
import { keyStore } from '../../../src/keys/key-store.ts';
import { CountersignError, codeOf, messageOf } from '../../../src/lib/errors.ts';
import { mapParallel } from '../../../src/lib/parallel.ts';
import { parseDuration } from '../../../src/lib/time.ts';
import type { Repository } from '../../../src/oci/reference.ts';
import { splitRepository } from '../../../src/oci/reference.ts';
import { loadTrust } from '../../../src/trust/dct/load.ts';
import type { TrustSession } from '../../../src/trust/dct/session.ts';
import { canonicalKeyId } from '../../../src/tuf/public-key.ts';
import { rootCertificateExpiry } from '../../../src/tuf/root-certificates.ts';
import type { Root } from '../../../src/tuf/root.ts';
import { readRoot } from '../../../src/tuf/root.ts';
import type { Context } from '../../commands.ts';
import type { RegistryFlags } from '../../registry.ts';
import { problemAtGate } from '../../trust-problem.ts';
import { openTrust } from '../../trust-server.ts';
import { parseRepositories } from '../../each-repository.ts';
import { cachedRoots } from './cached-roots.ts';

/** The options of `root list`. */
export interface ListFlags extends RegistryFlags {
  readonly within: string;
}

/** A repository's root, as far as it is known. */
interface Found {
  readonly repository: Repository;
  readonly root: Root | null;
  /** Why it is not known, or cannot be believed. */
  readonly problem: string | null;
  readonly unanswered: boolean;
}

/** One line of the list. */
interface Row {
  readonly repository: Repository;
  readonly status: 'good' | 'ends-soon' | 'ended' | 'unknown';
  readonly version: number | null;
  readonly expires: string | null;
  readonly certificateExpires: string | null;
  readonly keys: readonly {
    readonly id: string;
    readonly notaryId: string;
    readonly here: boolean;
  }[];
  readonly problem: string | null;
}

const WIDTH = 6;

/** `root list`: exit 1 where something ends within the time, 3 where something is not known. */
export async function runList(
  context: Context,
  texts: readonly string[],
  flags: ListFlags,
): Promise<void> {
  const within = parseDuration(flags.within);
  if (within === undefined) {
    throw new CountersignError('USAGE', `expected --within as 365d, found ${flags.within}`);
  }
  const now = new Date();
  const dockerConfig = dockerConfigFolder(context.env);
  const found =
    texts.length === 0
      ? (await cachedRoots(dockerConfig)).map(fromCache)
      : await mapParallel(parseRepositories(texts), WIDTH, (each) => ask(context, flags, each));
  const keys = keyStore(dockerConfig);
  const rows = await Promise.all(
    found.map((one) => rowOf(one, keys, now, new Date(now.getTime() + within))),
  );
  const output = context.output();
  if (rows.length === 0) output.note('no trust data was seen by this machine; name a repository');
  output.result({ within: flags.within, repositories: rows }, () => rows.map(describe).join('\n'));
  if (rows.some(({ status }) => status === 'ended' || status === 'ends-soon')) context.exit(1);
  else if (rows.some(({ status }) => status === 'unknown')) context.exit(3);
}

function fromCache({ repository, bytes }: { repository: Repository; bytes: Uint8Array }): Found {
  return { repository, ...rootIn(bytes), unanswered: false };
}

async function ask(context: Context, flags: ListFlags, repository: Repository): Promise<Found> {
  const { host } = splitRepository(repository);
  const session = openTrust(host, flags, context.env, () => {});
  try {
    const loaded = await loadTrust(session, repository);
    if (loaded.kind === 'trusted') {
      const problem = await problemAtGate(context, flags, session.server, repository);
      return { repository, root: loaded.repository.root, problem, unanswered: false };
    }
    if (loaded.kind === 'none') {
      const problem = `${session.server.host} has no trust data for it`;
      return { repository, root: null, problem, unanswered: false };
    }
    const root = await rootOfRefused(session, repository);
    return { repository, root, problem: loaded.refusal.message, unanswered: false };
  } catch (error) {
    if (codeOf(error) === 'INTERNAL') throw error;
    return { repository, root: null, problem: messageOf(error), unanswered: true };
  } finally {
    await session.server.close();
  }
}

/**
 * Of a root that has ended it is told when. Where this machine has seen another than what the server
 * shows now, it is not: a server must not have anybody begin anew, and drop the pin, by showing an old one.
 */
async function rootOfRefused(session: TrustSession, repository: Repository): Promise<Root | null> {
  const shown = await session.server.file(repository, 'root');
  const pinned = await session.cache.read(repository, 'root');
  if (shown === null || (pinned !== null && !Buffer.from(pinned).equals(shown))) return null;
  return rootIn(shown).root;
}

function rootIn(bytes: Uint8Array): Pick<Found, 'root' | 'problem'> {
  const root = readRoot(bytes);
  return root.ok
    ? { root: root.value, problem: null }
    : { root: null, problem: root.refusal.message };
}

async function rowOf(
  { repository, root, problem, unanswered }: Found,
  store: KeyStore,
  now: Date,
  soon: Date,
): Promise<Row> {
  if (root === null) {
    const nothing = { version: null, expires: null, certificateExpires: null, keys: [] };
    return { repository, status: 'unknown', ...nothing, problem };
  }
  const certificate = rootCertificateExpiry(root);
  const ends = [root.expires, ...(certificate === null ? [] : [certificate])];
  const first = new Date(Math.min(...ends.map((end) => end.getTime())));
  const keys = await Promise.all(
    [...root.roles.root.keys.values()].map(async (key) => {
      const notaryId = canonicalKeyId(key);
      return { id: key.id, notaryId, here: (await store.byId(notaryId)) !== null };
    }),
  );
  const ended = first <= now ? 'ended' : first <= soon ? 'ends-soon' : 'good';
  return {
    repository,
    // What ends is told even where the rest cannot be believed.
    status: ended === 'good' && (unanswered || problem !== null) ? 'unknown' : ended,
    version: root.version,
    expires: root.expires.toISOString(),
    certificateExpires: certificate?.toISOString() ?? null,
    keys,
    problem,
  };
}

const WORDS: Readonly<Record<Row['status'], string>> = {
  good: 'ok      ',
  'ends-soon': 'SOON    ',
  ended: 'ENDED   ',
  unknown: 'unknown ',
};

function describe(row: Row): string {
  const { repository, status, version, expires, certificateExpires, keys, problem } = row;
  const head = `${WORDS[status]} ${repository}`;
  const lines = problem === null ? [head] : [`${head}: ${problem}`];
  if (version !== null) {
    const day = (time: string | null): string => time?.slice(0, 10) ?? 'never';
    const ids = keys.map(
      ({ notaryId, here }) => `${notaryId.slice(0, 12)}${here ? '' : ' (not here)'}`,
    );
    lines.push(
      `         root ${version} until ${day(expires)}, certificate until ${day(certificateExpires)}, key ${ids.join(', ')}`,
    );
  }
  if (status === 'ends-soon') lines.push(`         countersign root rotate ${repository}`);
  if (status === 'ended') {
    lines.push(
      '         nothing can be published any more: delete the trust data, begin anew, and reset the root',
    );
  }
  return lines.join('\n');
}
