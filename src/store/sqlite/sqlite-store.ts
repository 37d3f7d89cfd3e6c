import { unwrap } from '../../lib/result.ts';
import type { Clock } from '../../lib/time.ts';
import { decodeEvent, encodeEvent } from '../event-body.ts';
import type { Committed, Store, Write } from '../store.ts';
import { openConnection, prepareFolder } from './connection.ts';
import { storeFailure } from './failure.ts';
import { GroupCommit } from './group-commit.ts';
import { takeLock } from './lock.ts';
import type { Done, EncodedWrite, WriterOptions } from './protocol.ts';
import { Reader } from './reader.ts';

function encode(write: Write): EncodedWrite {
  if (write.kind === 'event') return { kind: 'event', event: unwrap(encodeEvent(write.event)) };
  if (write.kind !== 'trust-files') return write;
  // A view is sent with all of the memory behind it, which may be the whole upload.
  const files = write.files.map((file) => ({ ...file, bytes: Uint8Array.from(file.bytes) }));
  return { ...write, files };
}

/** The answer of the writer with what stayed on this side: manifests, and the parsed events. */
function committed(writes: readonly Write[], done: Done): Committed {
  const adds = writes.filter((write) => write.kind === 'hold-add');
  return {
    events: done.events.map(({ sequence, body }) => unwrap(decodeEvent(sequence, body))),
    holds: done.holds.map((hold, at) => {
      const kept = hold.state === 'waiting' || hold.state === 'promoting';
      return {
        ...hold,
        manifest: (kept ? adds[at]?.hold.manifest : undefined) ?? new Uint8Array(),
      };
    }),
  };
}

/**
 * Opens the SQLite store of a data folder, making it where there is none. Throws STORE_UNAVAILABLE
 * (another process has it, not a local disk, an SQLite that is too old), STORAGE_FULL, or
 * STORE_ROLLED_BACK where the database is older than the high-water file beside it.
 */
export async function openSqliteStore(
  options: WriterOptions & { readonly clock: Clock },
): Promise<Store> {
  const { clock, ...writer } = options;
  const lock = locked(options.data);
  let commits: GroupCommit | undefined;
  try {
    commits = await GroupCommit.start(writer, clock);
    const reader = new Reader(openConnection(options.data, 'reader'));
    return storeOf(commits, reader, () => lock.release());
  } catch (error) {
    await commits?.close();
    lock.release();
    throw storeFailure(error);
  }
}

function locked(data: string): ReturnType<typeof takeLock> {
  try {
    prepareFolder(data);
    return takeLock(data);
  } catch (error) {
    throw storeFailure(error);
  }
}

function storeOf(commits: GroupCommit, reader: Reader, release: () => void): Store {
  let closed: Promise<void> | undefined;
  // async: whatever a read throws becomes the rejection that the contract promises.
  return {
    async commit(writes) {
      const encoded = writes.map(encode);
      return committed(writes, await commits.commit(encoded));
    },
    events: async (query) => reader.events(query),
    counts: async () => reader.counts(),
    holds: async (filter) => reader.holds(filter),
    waiting: async () => reader.waiting(),
    hold: async (id) => reader.hold(id),
    parents: async (repository, child) => reader.parents(repository, child),
    children: async (repository, parent) => reader.children(repository, parent),
    pushedAt: async (repository, digest) => reader.pushedAt(repository, digest),
    artifact: async (repository, digest) => reader.artifact(repository, digest),
    revocations: async () => reader.revocations(),
    trustRevision: async () => reader.trustRevision(),
    trustFiles: async (repository) => reader.trust.trustFiles(repository),
    trustFile: async (repository, role, which) => reader.trust.trustFile(repository, role, which),
    trustRepositories: async (after) => reader.trust.trustRepositories(after),
    trustPin: async (repository) => reader.trust.trustPin(repository),
    trustEntries: async (repository, digest, of) =>
      reader.trust.trustEntries(repository, digest, of),
    trustStatement: async (sha256) => reader.trust.trustStatement(sha256),
    serverKeys: async (repository, after) => reader.trust.serverKeys(repository, after),
    trustChanges: async (query) => reader.trust.trustChanges(query),
    close() {
      closed ??= (async () => {
        await commits.drain();
        // The writer closes last: SQLite then folds the WAL into the one file.
        reader.close();
        await commits.close();
        release();
      })();
      return closed;
    },
  };
}
