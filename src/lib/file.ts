import { randomUUID } from 'node:crypto';
import { constants } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { ErrorCode } from './errors.ts';
import type { Result } from './result.ts';
import { ok, refuse } from './result.ts';

/** A file's bytes, with what its permissions say. */
export interface FileContent {
  readonly bytes: Buffer;
  /** Permission bits (`mode & 0o777`). */
  readonly mode: number;
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  EACCES: 'it may not be read by this user',
  EISDIR: 'it is a folder',
  ENOTDIR: 'a folder on the way is none',
};

/**
 * Reads a regular file of bounded size; refuses with the given code, naming the file as the caller
 * writes it. The bound holds for the bytes read, so a file that grows meanwhile cannot exceed it.
 */
export async function readBoundedFile(
  path: string,
  maxBytes: number,
  code: ErrorCode,
): Promise<Result<FileContent>> {
  try {
    // Without O_NONBLOCK the opening of a named pipe that nobody writes to never ends.
    await using file = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
    const stat = await file.stat();
    if (!stat.isFile()) return refuse(code, `expected a file at ${path}, found something else`);
    const buffer = Buffer.alloc(Math.min(stat.size, maxBytes) + 1);
    let length = 0;
    while (length < buffer.length) {
      const { bytesRead } = await file.read(buffer, length, buffer.length - length, length);
      if (bytesRead === 0) break;
      length += bytesRead;
    }
    if (length > maxBytes || stat.size > maxBytes) {
      return refuse(code, `expected at most ${maxBytes} bytes in ${path}, found more`);
    }
    return ok({ bytes: buffer.subarray(0, length), mode: stat.mode & 0o777 });
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code ?? 'unknown';
    return refuse(code, `expected to read ${path}, but ${REASONS[reason] ?? reason}`);
  }
}

/** Replaces (or makes) a small file: whoever reads it meanwhile sees the old text or the new, also after a power cut. */
export async function replaceFile(path: string, text: string, mode: number): Promise<void> {
  const folder = dirname(path);
  const draft = join(folder, `.${basename(path)}.${randomUUID()}.tmp`);
  try {
    await writeDraft(draft, text, mode);
    await rename(draft, path);
  } catch (error) {
    await rm(draft, { force: true });
    throw error;
  }
  await using names = await open(folder, 'r');
  await names.sync();
}

async function writeDraft(draft: string, text: string, mode: number): Promise<void> {
  await using file = await open(draft, 'wx', mode);
  await file.writeFile(text);
  await file.sync();
}
