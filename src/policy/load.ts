import type { Dirent } from 'node:fs';
import { readdir, realpath, stat } from 'node:fs/promises';
import { createHash } from 'node:crypto';
import { join, sep } from 'node:path';
import { messageOf } from '../lib/errors.ts';
import { readBoundedFile } from '../lib/file.ts';
import { LIMITS } from '../lib/limits.ts';
import type { Result } from '../lib/result.ts';
import { ok, refuse } from '../lib/result.ts';
import { assemble } from './assemble.ts';
import type { FileDraft, SchemaOptions } from './draft.ts';
import { exampleKeyWarnings } from './example-keys.ts';
import type { PolicySet } from './policy.ts';
import { isRootId } from './roots.ts';
import { readPolicyFile } from './schema.ts';
import { isPolicyFileName, unreadFolders } from './unread-folders.ts';

/** What a policy folder is read with: the first configured host, other names of hosts, the formats of this build. */
export type LoadOptions = SchemaOptions;

/** A loaded set, and what a person should know about its files. */
export interface LoadedPolicies extends PolicySet {
  /** The files that were read, policies and keys, as paths inside the folder. */
  readonly files: readonly string[];
  readonly warnings: readonly string[];
}

interface FileBytes {
  /** Path inside the folder, with `/`. */
  readonly name: string;
  readonly bytes: Uint8Array;
}

/**
 * Loads all policy files (`*.yaml`, `*.yml`) that lie directly in the folder, with the key files that
 * they name. Refuses with POLICY_INVALID and every problem as `file:line: …`; never throws.
 */
export async function loadPolicies(
  dir: string,
  options: LoadOptions,
): Promise<Result<LoadedPolicies>> {
  const warnings: string[] = [];
  const names = await listPolicyFiles(dir);
  if (!names.ok) return names;
  let root: string;
  try {
    root = await realpath(dir);
    if (await writableByAll(root)) warnings.push(`${dir} can be written by everyone: chmod o-w it`);
  } catch (error) {
    return refuse('POLICY_INVALID', `${dir}: could not be read: ${messageOf(error)}`);
  }
  const read = async (name: string, most: number): Promise<Result<Uint8Array>> =>
    readInside(root, dir, name, most, warnings);

  const problems: string[] = [];
  const files: FileBytes[] = [];
  const drafts: FileDraft[] = [];
  for (const name of names.value) {
    const bytes = await read(name, LIMITS.policyFileBytes);
    const draft = bytes.ok ? readPolicyFile(bytes.value, join(dir, name), options) : bytes;
    if (!draft.ok) problems.push(draft.refusal.message);
    else drafts.push(draft.value);
    if (bytes.ok) files.push({ name, bytes: bytes.value });
  }
  const keyFiles = new Map<string, Result<Uint8Array>>();
  for (const path of keyPathsOf(drafts)) keyFiles.set(path, await read(path, LIMITS.keyFileBytes));

  const set = assemble(drafts, keyFiles);
  for (const { document } of drafts) {
    const finished = document.finish(null);
    if (!finished.ok) problems.push(finished.refusal.message);
  }
  if (problems.length === 0 && set.policies.length === 0) {
    problems.push(`${dir}: expected at least one policy under "policies", found none`);
  }
  if (problems.length > 0) return refuse('POLICY_INVALID', problems.join('\n'));
  for (const [name, bytes] of keyFiles) if (bytes.ok) files.push({ name, bytes: bytes.value });
  const unread = await unreadFolders(dir);
  if (unread !== null) warnings.push(unread);
  return ok({
    ...set,
    revision: revisionOf(files),
    files: files.map((file) => file.name),
    warnings: [...warnings, ...exampleKeyWarnings(set)],
  });
}

/** The key files that the drafts name, each once, within the bound. */
function keyPathsOf(drafts: readonly FileDraft[]): readonly string[] {
  const authorities = drafts.flatMap((draft) => draft.authorities);
  const keys = authorities.flatMap((authority) => authority.keys.map((key) => key.value));
  const roots = drafts.flatMap((draft) => draft.policies).flatMap((policy) => policy.roots);
  const paths = [...keys, ...roots.map((root) => root.value).filter((root) => !isRootId(root))];
  return [...new Set(paths)].slice(0, LIMITS.policyKeys);
}

async function listPolicyFiles(dir: string): Promise<Result<readonly string[]>> {
  const bad = (why: string): Result<never> => refuse('POLICY_INVALID', `${dir}: ${why}`);
  let entries: readonly Dirent[];
  try {
    entries = await readdir(dir, { withFileTypes: true });
  } catch (error) {
    const missing = error instanceof Error && 'code' in error && error.code === 'ENOENT';
    const what = missing ? 'no such folder' : messageOf(error);
    return bad(`expected a folder of policy files, found ${what}; ${START}`);
  }
  const names = entries
    .filter((entry) => isPolicyFileName(entry.name) && !entry.isDirectory())
    .map((entry) => entry.name)
    .toSorted();
  if (names.length > LIMITS.policyFiles) {
    return bad(`expected at most ${LIMITS.policyFiles} policy files, found ${names.length}`);
  }
  if (names.length > 0) return ok(names);
  const unread = await unreadFolders(dir);
  const found = unread === null ? '' : ` (${unread})`;
  return bad(
    `expected policy files (*.yaml) directly in this folder, found none${found}; ${START}`,
  );
}

const START =
  "begin with a copy of one of Countersign's starter policies (folder policies of the package), or name your folder with --policies";

/**
 * Reads a regular file below the folder. A link may lead elsewhere in the folder (Kubernetes mounts
 * every file so), never out of it: what is trusted is what lies in the folder and nothing else.
 */
async function readInside(
  root: string,
  dir: string,
  name: string,
  most: number,
  warnings: string[],
): Promise<Result<Uint8Array>> {
  const shown = join(dir, name);
  const bad = (why: string): Result<never> => refuse('POLICY_INVALID', `${shown}: ${why}`);
  try {
    const path = await realpath(join(root, name));
    if (!path.startsWith(root.endsWith(sep) ? root : `${root}${sep}`)) {
      return bad('expected a file inside the policy folder, found a link that leads out of it');
    }
    // Looked at before it is opened: opening a pipe or device could wait for ever.
    const info = await stat(path);
    if (!info.isFile()) return bad('expected a regular file');
    if (info.size > most) return bad(`expected at most ${most} bytes, found ${info.size}`);
    if ((info.mode & 0o002) !== 0) {
      warnings.push(`${shown} can be written by everyone: chmod o-w it`);
    }
    const content = await readBoundedFile(path, most, 'POLICY_INVALID');
    return content.ok ? ok(content.value.bytes) : content;
  } catch (error) {
    const missing = error instanceof Error && 'code' in error && error.code === 'ENOENT';
    return bad(missing ? 'expected a file, found none' : `could not be read: ${messageOf(error)}`);
  }
}

async function writableByAll(path: string): Promise<boolean> {
  const { mode } = await stat(path);
  // The sticky bit keeps others from replacing files that are not theirs.
  return (mode & 0o002) !== 0 && (mode & 0o1000) === 0;
}

/** Names and lengths are hashed with the bytes, so that no two different folders read the same (threat T-58). */
function revisionOf(files: readonly FileBytes[]): string {
  const hash = createHash('sha256');
  for (const { name, bytes } of files.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
    hash.update(`${Buffer.byteLength(name)}:${name}${bytes.byteLength}:`).update(bytes);
  }
  return hash.digest('hex');
}
