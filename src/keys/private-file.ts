import { randomBytes } from 'node:crypto';
import { link, mkdir, open, rm, unlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { CountersignError } from '../lib/errors.ts';
import { readBoundedFile } from '../lib/file.ts';
import { LIMITS } from '../lib/limits.ts';
import type { Refusal, Result } from '../lib/result.ts';
import { ok } from '../lib/result.ts';

/** A file's bytes, and the refusal that its permissions deserve (`null`: only its owner may read it). */
export interface PrivateFile {
  readonly bytes: Buffer;
  readonly exposed: Refusal | null;
}

/** Reads a private key's file (at most `LIMITS.keyFileBytes`). Group and others must have no rights on it; as docker, and ssh, demand. */
export async function readPrivateFile(path: string): Promise<Result<PrivateFile>> {
  const content = await readBoundedFile(path, LIMITS.keyFileBytes, 'KEY_INVALID');
  if (!content.ok) return content;
  const { bytes, mode } = content.value;
  // Windows has no such bits.
  const open = process.platform !== 'win32' && (mode & 0o077) !== 0;
  const exposed: Refusal | null = open
    ? {
        code: 'KEY_FILE_EXPOSED',
        message: `the private key file ${path} is open to other users (mode ${mode.toString(8).padStart(4, '0')}); run: chmod 600 '${path}'`,
      }
    : null;
  return ok({ bytes, exposed });
}

/** What file systems without hard links answer: FAT on a USB stick, some network and virtual ones. */
const NO_LINKS: ReadonlySet<string> = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS']);

/**
 * Makes a file that was not there before, whole or not at all, and on disk when the promise resolves.
 * Throws KEY_EXISTS where the name is taken (nothing is overwritten), STORAGE_FULL, STORE_UNAVAILABLE.
 */
export async function createFile(path: string, text: string, mode: number): Promise<void> {
  const folder = dirname(path);
  const draft = join(folder, `.${basename(path)}.${randomBytes(8).toString('hex')}.tmp`);
  try {
    try {
      await writeDraft(draft, text, mode);
      await giveName(draft, path, { text, mode });
    } finally {
      await rm(draft, { force: true });
    }
    await syncFolder(folder);
  } catch (error) {
    throw fileFailure(error, path);
  }
}

/** link, unlike rename, fails where the name is taken. */
async function giveName(
  draft: string,
  path: string,
  { text, mode }: { readonly text: string; readonly mode: number },
): Promise<void> {
  try {
    await link(draft, path);
  } catch (error) {
    if (!NO_LINKS.has((error as NodeJS.ErrnoException).code ?? '')) throw error;
    // A file that is opened so is this call's own, and may go again where it is not whole.
    await writeDraft(path, text, mode, () => rm(path, { force: true }));
  }
}

async function writeDraft(
  draft: string,
  text: string,
  mode: number,
  giveUp: () => Promise<void> = () => Promise.resolve(),
): Promise<void> {
  await using file = await open(draft, 'wx', mode);
  try {
    await file.writeFile(text);
    await file.sync();
  } catch (error) {
    await giveUp();
    throw error;
  }
}

/** Removes a file, durably. Throws KEY_NOT_FOUND, STORE_UNAVAILABLE. */
export async function removeFile(path: string): Promise<void> {
  try {
    await unlink(path);
    await syncFolder(dirname(path));
  } catch (error) {
    throw fileFailure(error, path);
  }
}

/** Makes a folder that only its owner may enter, with those above it. Throws as {@link createFile}. */
export async function makePrivateFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw fileFailure(error, path);
  }
}

async function syncFolder(path: string): Promise<void> {
  await using folder = await open(path, 'r');
  await folder.sync();
}

function fileFailure(error: unknown, path: string): CountersignError {
  const code = (error as NodeJS.ErrnoException).code ?? 'unknown';
  switch (code) {
    case 'EEXIST':
      return new CountersignError('KEY_EXISTS', `${path} is already there; nothing was changed`);
    case 'ENOENT':
      return new CountersignError(
        'KEY_NOT_FOUND',
        `expected a folder or file at ${path}, found none`,
      );
    case 'ENOSPC':
    case 'EDQUOT':
      return new CountersignError('STORAGE_FULL', `no room is left to write ${path}`, {
        cause: error,
      });
    default:
      return new CountersignError('STORE_UNAVAILABLE', `could not change ${path} (${code})`, {
        cause: error,
      });
  }
}
