import { entriesOf } from '../notary/entries.ts';
import { sha256Hex } from '../lib/bytes.ts';
import { LIMITS } from '../lib/limits.ts';
import type { ImportedEntry } from '../store/trust-data.ts';
import { parseEnvelope } from '../tuf/envelope.ts';
import type { Listing } from '../tuf/listing.ts';
import { parseListing } from '../tuf/listing.ts';
import { parentOf } from '../tuf/role-name.ts';
import type { TrustedRepository } from '../tuf/repository.ts';
import { signingRoleOf } from '../tuf/repository.ts';
import type { Root } from '../tuf/root.ts';
import { readRoot } from '../tuf/root.ts';
import type { TrustedTargets } from '../tuf/targets-tree.ts';
import { verifyTargets } from '../tuf/targets-tree.ts';
import { verifyThreshold } from '../tuf/threshold.ts';
import type { CheckedRepository } from './repository-check.ts';
import type { SourceFile } from './source.ts';

/** Who signed which digest as which tag, now and before. */
export interface SignedHistory {
  readonly entries: readonly ImportedEntry[];
  /** Digests that were signed once and are not signed now. */
  readonly before: number;
  /** Entries that were too many. */
  readonly left: number;
}

/** Of a repository of which nothing is stored. */
export const NO_HISTORY: SignedHistory = { entries: [], before: 0, left: 0 };

/**
 * Reads the history of a repository whose newest state was verified: each snapshot names the root and
 * the targets roles of its time by hash, and what it lists counts where the root is of the verified chain,
 * the snapshot is signed as that root demands, and each role as that root or its parent of that time does
 * (TUF 5.6, but for dates: all of it has passed). What does not fit is passed over: it was never shown to
 * anybody. An entry is dated by the first file that has it; by none where one of them has no date.
 *
 * A file without a date is not from the server's own record: whoever answers in its name today, with a
 * key that was stolen and rotated away, could have made it. There only keys count that are listed still.
 */
export function signedHistory(
  { verified, files }: CheckedRepository,
  now: Date,
  most: number = LIMITS.importEntries,
): SignedHistory {
  const history = new History(verified, files, { now, most });
  for (const role of verified.tree.roles.values()) history.note(role);
  const current = history.digests();
  let last: State = new Map();
  // The newest first: where there are too many, the oldest stay out.
  for (const { role, bytes } of files.toReversed()) {
    if (role === 'snapshot') last = history.read(bytes, last);
  }
  const before = [...history.digests()].filter((digest) => !current.has(digest));
  return { ...history.all(), before: before.length };
}

/** The roles of one snapshot as they were verified, by all that the verification looks at. */
type State = ReadonlyMap<string, TrustedTargets>;

class History {
  readonly #roots = new Map<string, Root>();
  readonly #files = new Map<string, SourceFile>();
  readonly #entries = new Map<string, ImportedEntry>();
  readonly #newest: TrustedRepository;
  readonly #now: number;
  readonly #most: number;
  #left = 0;

  constructor(
    newest: TrustedRepository,
    files: readonly SourceFile[],
    { now, most }: { readonly now: Date; readonly most: number },
  ) {
    this.#newest = newest;
    this.#now = now.getTime();
    this.#most = most;
    for (const file of files) {
      const { role, bytes } = file;
      if (role === 'timestamp' || role === 'snapshot') continue;
      const sha256 = sha256Hex(bytes);
      // Of a chain that was verified: each of them counted once.
      const root = role === 'root' ? readRoot(bytes) : null;
      if (root?.ok === true) this.#roots.set(sha256, root.value);
      this.#files.set(`${role} ${sha256}`, file);
    }
  }

  all(): Omit<SignedHistory, 'before'> {
    return { entries: [...this.#entries.values()], left: this.#left };
  }

  digests(): Set<string> {
    return new Set([...this.#entries.values()].map(({ digest }) => digest));
  }

  /** Reads what a snapshot lists. `last` is the snapshot that was read before: most roles are the same. */
  read(bytes: Uint8Array, last: State): State {
    const envelope = parseEnvelope(bytes);
    const snapshot = envelope.ok ? parseListing(envelope.value, 'snapshot') : envelope;
    if (!snapshot.ok) return last;
    const root = this.#roots.get(snapshot.value.meta.get('root')?.sha256 ?? '');
    if (root === undefined) return last;
    const signed = verifyThreshold(snapshot.value.envelope, root.roles.snapshot);
    return signed.ok ? this.#readRoles(snapshot.value, root, last) : last;
  }

  #readRoles({ meta }: Listing, root: Root, last: State): State {
    const state = new Map<string, TrustedTargets>();
    const verified = new Map<string, TrustedTargets>();
    const queue = new Set(['targets']);
    for (const name of queue) {
      const sha256 = meta.get(name)?.sha256;
      const file = sha256 === undefined ? undefined : this.#files.get(`${name} ${sha256}`);
      if (file === undefined || sha256 === undefined) continue;
      const key = `${name} ${sha256} ${givenFor(name, root, verified)}`;
      const role = last.get(key) ?? this.#verify(file, root, verified);
      if (role === null) continue;
      state.set(key, role);
      verified.set(name, role);
      for (const below of role.delegations) {
        if (queue.size < LIMITS.trustRoles) queue.add(below.name);
      }
    }
    return state;
  }

  #verify(
    { role, bytes }: SourceFile,
    root: Root,
    verified: ReadonlyMap<string, TrustedTargets>,
  ): TrustedTargets | null {
    const envelope = parseEnvelope(bytes);
    const read = envelope.ok
      ? verifyTargets(role, envelope.value, { root, verified, now: null })
      : envelope;
    if (!read.ok) return null;
    this.note(read.value);
    return read.value;
  }

  /** Puts on record what a role says, from the time of its file on. */
  note(role: TrustedTargets): void {
    const file = this.#files.get(`${role.name} ${sha256Hex(role.envelope.bytes)}`);
    const created = file?.createdAt ?? null;
    const time = created === null ? null : Math.min(created, this.#now);
    const listed = created === null ? listedIn(this.#newest, role.name) : null;
    for (const entry of entriesOf(role)) {
      if (listed?.has(entry.keyId) === false) continue;
      const key = `${entry.role} ${entry.tag} ${entry.digest} ${entry.keyId}`;
      const known = this.#entries.get(key);
      if (known === undefined && this.#entries.size >= this.#most) this.#left += 1;
      else this.#entries.set(key, { ...entry, publishedAt: earlier(known, time) });
    }
  }
}

function earlier(known: ImportedEntry | undefined, time: number | null): number | null {
  if (known === undefined) return time;
  return time === null || known.publishedAt === null ? null : Math.min(time, known.publishedAt);
}

/** The keys that may sign a role now. */
function listedIn(repository: TrustedRepository, role: string): ReadonlySet<string> {
  const signing = signingRoleOf(repository, role);
  return new Set([...(signing?.keys.values() ?? [])].flatMap(({ key }) => key?.id ?? []));
}

/** What `verifyTargets` judges a role by: who may sign it, for which tags. */
function givenFor(name: string, root: Root, verified: State): string {
  const parent = name === 'targets' ? null : verified.get(parentOf(name));
  const role =
    parent === null
      ? root.roles.targets
      : parent?.delegations.find((delegation) => delegation.name === name);
  const paths = [parent?.paths, parent?.delegations.find((one) => one.name === name)?.paths];
  return sha256Hex(
    Buffer.from(JSON.stringify([role?.threshold, [...(role?.keys.keys() ?? [])], paths])),
  );
}
