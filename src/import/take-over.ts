import { unwrap } from '../lib/result.ts';
import type { Repository } from '../oci/reference.ts';
import type { Root } from '../tuf/root.ts';
import { readRoot } from '../tuf/root.ts';
import type { SigningRole } from '../tuf/threshold.ts';
import { acceptGun } from './accept-gun.ts';
import { reportOf } from './describe.ts';
import { remainingOf } from './existing.ts';
import type { MissingLines } from './feed.ts';
import { missingLines } from './feed.ts';
import { onlyListed, openKeys } from './open-keys.ts';
import type { KeyPlace, RepositoryReport } from './report.ts';
import { nothingStored } from './report.ts';
import type { CheckedRepository } from './repository-check.ts';
import { checkRepository, dayOf } from './repository-check.ts';
import { NO_HISTORY, signedHistory } from './past-entries.ts';
import type { NotarySource } from './source.ts';
import type { Taken } from './store-repository.ts';
import { storeRepository } from './store-repository.ts';
import type { ImportReads, ImportTarget } from './target.ts';

const FEED_NOTE =
  'its lines of the changefeed have ids that this service gave to others, or too high ones: whoever reads the feed has to begin anew';

const ACCEPT =
  'where its server is gone for good, --expired-timestamp takes it over as it is, and clients accept it when its owner has changed to our keys';

/**
 * Takes one repository over, all of it in one commit or nothing: what cannot be believed, read or
 * stored is a report and no error. Throws where source or store cannot be asked.
 */
export async function takeOver(
  source: NotarySource,
  target: ImportTarget,
  gun: string,
): Promise<RepositoryReport> {
  const accepted = acceptGun(gun, target.registries);
  if (!accepted.ok) return nothingStored(gun, 'skipped', accepted.refusal.message);
  const repository = accepted.value;
  const given = await source.repository(gun);
  if (given.problem !== null) return nothingStored(gun, 'refused', given.problem);
  if (given.files.length === 0) {
    return onlyFeed(target, repository, await missingLines(source, target.reads, repository));
  }

  const checked = checkRepository(gun, given.files, target.now);
  if (!checked.ok) return nothingStored(gun, 'refused', checked.refusal.message);
  const { root } = checked.value.verified;
  const here = new Set((await target.reads.serverKeys(repository)).map(({ id }) => id));
  const opened = await openKeys(source, { gun, root, here }, target.passphrases);
  if (!opened.ok) return nothingStored(gun, 'refused', opened.refusal.message);
  const remaining = await remainingOf(target.reads, repository, checked.value);
  if (!remaining.ok) return nothingStored(gun, 'refused', remaining.refusal.message);
  const { known, files, whole } = remaining.value;
  const newest = files.some(({ role }) => role === 'root')
    ? root
    : await rootHere(target.reads, repository);
  const { keys, notes } = known ? onlyListed(opened.value, newest) : opened.value;

  const ids = new Set([...here, ...keys.map(({ id }) => id)]);
  const stale = staleOf(checked.value, ids, target.now);
  if (stale !== null && files.length > 0 && !target.expiredTimestamps) {
    return nothingStored(gun, 'refused', `${stale}; ${ACCEPT}`);
  }

  const lines = await missingLines(source, target.reads, repository);
  // Without its lines the feed gets new ones for what is stored now.
  const kept = lines !== null && (lines.count > 0 || files.length === 0);
  const taken: Taken = {
    repository,
    checked: checked.value,
    files,
    keys,
    lines,
    history:
      files.length > 0 ? signedHistory({ ...checked.value, files: whole }, target.now) : NO_HISTORY,
    kept,
  };
  if (files.length > 0 || keys.length > 0 || (lines?.count ?? 0) > 0) {
    await storeRepository(target, source.name, taken);
  }
  const changed = files.length > 0 || keys.length > 0;
  const outcome = known ? (changed ? 'updated' : 'unchanged') : 'imported';
  return reportOf(taken, outcome, {
    now: target.now,
    timestamp: placeOf(root.roles.timestamp, ids, false),
    snapshot: placeOf(root.roles.snapshot, ids, source.hasKeys),
    notes: [...notes, ...(stale === null ? [] : [stale]), ...(lines === null ? [FEED_NOTE] : [])],
  });
}

/**
 * That nothing bounds how old a repository's files are: its timestamp has ended, and the key that would
 * vouch for them again is not here. `null` where it is, or the timestamp still holds.
 */
function staleOf(
  { verified: { root, timestamp } }: CheckedRepository,
  ids: ReadonlySet<string>,
  now: Date,
): string | null {
  if (timestamp.expires > now || placeOf(root.roles.timestamp, ids, false) === 'here') return null;
  return `its timestamp ended on ${dayOf(timestamp.expires)}, and nobody here can sign another: nothing says that its tags are the newest`;
}

/** The root that stands here; `null` for none. */
async function rootHere(reads: ImportReads, repository: Repository): Promise<Root | null> {
  const stored = (await reads.trustFiles(repository)).get('root');
  return stored === undefined ? null : unwrap(readRoot(stored.bytes));
}

/** A repository that was deleted on the other server: only its place in the feed is worth keeping. */
async function onlyFeed(
  { reads, writes }: ImportTarget,
  repository: Repository,
  lines: MissingLines | null,
): Promise<RepositoryReport> {
  if ((await reads.trustFiles(repository)).size > 0) {
    // Readers of our feed would drop what is here.
    return nothingStored(repository, 'skipped', 'it was deleted there, and is here');
  }
  const count = lines?.count ?? 0;
  if (lines !== null && writes !== null) {
    for await (const changes of lines.batches()) {
      await writes.store.commit([{ kind: 'trust-changes', changes }]);
    }
  }
  return {
    ...nothingStored(repository, 'skipped', ''),
    outcome: count > 0 ? 'imported' : 'unchanged',
    reason: null,
    changes: count,
    notes: ['it was deleted there: only its lines of the changefeed are kept'],
  };
}

/** `withOwner`: what the source has no key of is the owner's. */
function placeOf(role: SigningRole, ids: ReadonlySet<string>, withOwner: boolean): KeyPlace {
  const held = [...role.keys.keys()].filter((id) => ids.has(id));
  if (held.length >= role.threshold) return 'here';
  return withOwner ? 'owner' : 'missing';
}
