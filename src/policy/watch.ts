import type { FSWatcher } from 'node:fs';
import { watch as watchFolder } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Result } from '../lib/result.ts';
import { ok } from '../lib/result.ts';
import type { Clock } from '../lib/time.ts';
import { systemClock } from '../lib/time.ts';
import type { LoadOptions, LoadedPolicies } from './load.ts';
import { loadPolicies } from './load.ts';

/** Why the files on disk are not what is in force, and since when. */
export interface PolicyProblem {
  readonly message: string;
  readonly since: Date;
}

/** What became of an edit. */
export type PolicyChange =
  | { readonly kind: 'loaded'; readonly set: LoadedPolicies }
  | { readonly kind: 'broken'; readonly problem: PolicyProblem };

/** The policies in force, kept up with their folder. */
export interface PolicyWatch {
  /** The last set that loaded whole. */
  current(): LoadedPolicies;
  /** `null` where what is in force is what the files say. */
  problem(): PolicyProblem | null;
  /** Calls back after every edit: with the new set, or with why the last good one stays. Returns how to stop it. */
  onChange(listener: (change: PolicyChange) => void): () => void;
  /** Looks at the files now instead of at the next tick; resolves when what they say is in force or refused. */
  refresh(): Promise<void>;
  close(): void;
}

/** How policy files are loaded and followed. */
export interface WatchOptions extends LoadOptions {
  /** Milliseconds between looks at the files, where the system does not tell of changes; 1000 if not given. */
  readonly interval?: number;
  readonly clock?: Clock;
}

/** Editors write in several steps: what a burst of events left behind is read once. */
const DEBOUNCE_MS = 100;
/** Looks in a row that may find the folder being written to; a file that is never quiet must not stop all edits. */
const UNSETTLED = 10;

/**
 * Loads the folder and keeps it up to date: at once where the system tells of changes, else within
 * the interval (network mounts and Kubernetes volumes tell nothing). Refuses where the first load
 * does; later a broken edit changes nothing but {@link PolicyWatch.problem}.
 */
export async function watchPolicies(
  dir: string,
  options: WatchOptions,
): Promise<Result<PolicyWatch>> {
  const first = await loadPolicies(dir, options);
  return first.ok ? ok(new FolderWatch(dir, options, first.value)) : first;
}

class FolderWatch implements PolicyWatch {
  readonly #dir: string;
  readonly #options: WatchOptions;
  readonly #clock: Clock;
  readonly #listeners = new Set<(change: PolicyChange) => void>();
  readonly #timer: NodeJS.Timeout;
  readonly #watchers: FSWatcher[] = [];
  #debounce: NodeJS.Timeout | undefined;
  #set: LoadedPolicies;
  #problem: PolicyProblem | null = null;
  /** Empty at first: the first look loads once more, which finds an edit made during the first load. */
  #seen = '';
  #working: Promise<void> = Promise.resolve();
  #closed = false;
  #unsettled = 0;

  constructor(dir: string, options: WatchOptions, set: LoadedPolicies) {
    this.#dir = dir;
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#set = set;
    this.#timer = setInterval(() => void this.refresh(), options.interval ?? 1000);
    this.#timer.unref();
    this.#listen(dir);
    for (const folder of foldersOf(set.files)) this.#listen(join(dir, folder));
  }

  current(): LoadedPolicies {
    return this.#set;
  }

  problem(): PolicyProblem | null {
    return this.#problem;
  }

  onChange(listener: (change: PolicyChange) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  refresh(): Promise<void> {
    // One look after the other: an older load must not overtake a newer one.
    this.#working = this.#working.then(() => this.#look());
    return this.#working;
  }

  close(): void {
    this.#closed = true;
    clearInterval(this.#timer);
    clearTimeout(this.#debounce);
    for (const watcher of this.#watchers) watcher.close();
    this.#listeners.clear();
  }

  #listen(folder: string): void {
    try {
      const watcher = watchFolder(folder, { persistent: false }, () => this.#soon());
      // A watcher that fails is no loss but of speed: the interval looks as well.
      watcher.on('error', () => watcher.close());
      this.#watchers.push(watcher);
    } catch {
      return;
    }
  }

  #soon(): void {
    clearTimeout(this.#debounce);
    if (this.#closed) return;
    this.#debounce = setTimeout(() => void this.refresh(), DEBOUNCE_MS);
    this.#debounce.unref();
  }

  async #look(): Promise<void> {
    if (this.#closed) return;
    const seen = await fingerprint(this.#dir, this.#set.files);
    // A broken set may name files that the good one does not: it is read until it is whole again.
    if (seen === this.#seen && this.#problem === null) return;
    const loaded = await loadPolicies(this.#dir, this.#options);
    if (this.#closed) return;
    // Written while it was read: what was read may be half of one edit and half of another. The next
    // look takes it whole.
    if (seen !== (await fingerprint(this.#dir, this.#set.files)) && this.#unsettled < UNSETTLED) {
      this.#unsettled++;
      this.#soon();
      return;
    }
    this.#unsettled = 0;
    this.#seen = seen;
    if (!loaded.ok) {
      const { message } = loaded.refusal;
      if (message === this.#problem?.message) return;
      this.#tell({
        kind: 'broken',
        problem: { message, since: this.#problem?.since ?? this.#clock() },
      });
      return;
    }
    this.#problem = null;
    if (loaded.value.revision === this.#set.revision) return;
    this.#tell({ kind: 'loaded', set: loaded.value });
  }

  #tell(change: PolicyChange): void {
    if (change.kind === 'loaded') this.#set = change.set;
    else this.#problem = change.problem;
    for (const listener of this.#listeners) listener(change);
  }
}

function foldersOf(files: readonly string[]): readonly string[] {
  const folders = files.map((file) => file.slice(0, Math.max(0, file.lastIndexOf('/'))));
  return [...new Set(folders)].filter((folder) => folder !== '');
}

/**
 * What the system knows of the folder's entries and the files in force: it changes with every write,
 * rename or exchange of a link, also where the time of the write is set back by hand (ctime is not).
 */
async function fingerprint(dir: string, files: readonly string[]): Promise<string> {
  const parts: string[] = [];
  for (const name of [...(await namesIn(dir)), ...files]) {
    try {
      const info = await stat(join(dir, name), { bigint: true });
      parts.push(`${name}\0${info.ino}\0${info.size}\0${info.mtimeNs}\0${info.ctimeNs}`);
    } catch {
      parts.push(`${name}\0gone`);
    }
  }
  return parts.toSorted().join('\n');
}

async function namesIn(dir: string): Promise<readonly string[]> {
  try {
    const names = await readdir(dir);
    return names.slice(0, 1000);
  } catch {
    return [];
  }
}
