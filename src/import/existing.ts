import { sha256Hex } from '../lib/bytes.ts';
import type { Result } from '../lib/result.ts';
import { ok, refuse } from '../lib/result.ts';
import type { Repository } from '../oci/reference.ts';
import type { CheckedRepository } from './repository-check.ts';
import type { SourceFile } from './source.ts';
import type { ImportReads } from './target.ts';

/** What is still to be taken over of a repository. */
export interface Remaining {
  /** False where nothing was here before. */
  readonly known: boolean;
  readonly files: readonly SourceFile[];
  /** These, and those of the source that are here already, in its order. */
  readonly whole: readonly SourceFile[];
}

/**
 * Compares a repository with what the service has under its name: nothing, all of it, or an earlier
 * state of it. Refuses with STORE_CONFLICT where the service has anything else: trust data are never
 * overwritten.
 */
export async function remainingOf(
  store: ImportReads,
  repository: Repository,
  { files }: CheckedRepository,
): Promise<Result<Remaining>> {
  const here = await store.trustFiles(repository);
  if (here.size === 0) {
    if ((await store.trustPin(repository)) === null)
      return ok({ known: false, files, whole: files });
    return refuse(
      'STORE_CONFLICT',
      'it was deleted here, and its root is still pinned; an administrator has to reset it first',
    );
  }
  const missing: SourceFile[] = [];
  const there = new Set<SourceFile>();
  for (const file of files) {
    const { role, version } = file;
    const stored = await store.trustFile(repository, role, { version });
    if (stored !== null && stored.sha256 !== sha256Hex(file.bytes)) return other(file);
    if (stored !== null) there.add(file);
    // Of what came before, whatever was not taken over at first stays out: files are stored in order.
    else if (version > (here.get(role)?.version ?? 0)) missing.push(file);
  }
  // The newest that both have: where the service has gone on by itself it is not the source's newest.
  const shared = (role: string): SourceFile | undefined =>
    files.findLast((file) => file.role === role && there.has(file));
  const root = shared('root');
  if (root === undefined)
    return refuse('STORE_CONFLICT', 'it has other trust data here: another root');
  const taken = new Set([...missing, ...there]);
  const whole = files.filter((file) => taken.has(file));
  if (missing.length === 0) return ok({ known: true, files: [], whole });
  // The timestamp stands over all: whoever signed one here since has gone another way. Under an older
  // root than ours somebody goes on with keys that its owner has taken away since.
  const behind = root.version !== here.get('root')?.version;
  if (behind || shared('timestamp')?.version !== here.get('timestamp')?.version) {
    return refuse(
      'STORE_CONFLICT',
      'both servers have changed it since it was taken over; keep one of them, and stop the other',
    );
  }
  // Whose root was replaced under its pin is refused by the gate until an administrator's reset, and no
  // import is one.
  const pin = await store.trustPin(repository);
  const pinned = pin === null ? null : sha256Hex(pin.root);
  if (pinned !== null && !files.some((file) => sha256Hex(file.bytes) === pinned)) {
    return refuse(
      'STORE_CONFLICT',
      'it is held to another root here, from which these do not follow; an administrator has to reset it first',
    );
  }
  return ok({ known: true, files: missing, whole });
}

function other({ role, version }: SourceFile): Result<never> {
  return refuse('STORE_CONFLICT', `it has other trust data here: another ${role} ${version}`);
}
