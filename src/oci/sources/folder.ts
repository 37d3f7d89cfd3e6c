import { open, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { messageOf } from '../../lib/errors.ts';
import { readBoundedFile } from '../../lib/file.ts';
import type { Digest } from '../digest.ts';
import { algorithmOf, hexOf } from '../digest.ts';
import type { Layout } from './layout.ts';
import { invalidSource } from './source.ts';

/**
 * An OCI image layout in a folder (image-spec "Image Layout"). File names are made from parsed
 * digests only (CVE-2024-3727), and content counts by its hash, wherever the name may lead.
 */
export function folderLayout(folder: string): Layout {
  const fileOf = (digest: Digest): string =>
    join(folder, 'blobs', algorithmOf(digest), hexOf(digest));
  return {
    name: folder,
    async read(name, maxBytes) {
      const file = await readBoundedFile(join(folder, name), maxBytes, 'SOURCE_INVALID');
      if (file.ok) return file.value.bytes;
      throw invalidSource(
        name === 'oci-layout'
          ? `expected an OCI image layout in ${folder}: ${file.refusal.message}; an image that docker has is docker-daemon:NAME`
          : file.refusal.message,
      );
    },
    async size(digest) {
      try {
        const found = await stat(fileOf(digest));
        return found.isFile() ? found.size : null;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
        throw invalidSource(`cannot read ${folder}: ${messageOf(error)}`, error);
      }
    },
    open: (digest, start) => readRange(fileOf(digest), start),
    close: () => Promise.resolve(),
  };
}

/** Opens a part of a file; `length` is to its end where left out. What cannot be read fails the stream with SOURCE_INVALID. */
export function readRange(file: string, start: number, length?: number): Readable {
  return Readable.from(readChunks(file, start, length ?? Number.MAX_SAFE_INTEGER), {
    objectMode: false,
    highWaterMark: CHUNK,
  });
}

const CHUNK = 256 * 1024;

async function* readChunks(file: string, start: number, length: number): AsyncGenerator<Buffer> {
  try {
    await using handle = await open(file, 'r');
    for (let at = start, left = length; left > 0;) {
      const { buffer, bytesRead } = await handle.read(
        Buffer.allocUnsafe(Math.min(CHUNK, left)),
        0,
        Math.min(CHUNK, left),
        at,
      );
      if (bytesRead === 0) return;
      at += bytesRead;
      left -= bytesRead;
      yield buffer.subarray(0, bytesRead);
    }
  } catch (error) {
    throw invalidSource(`cannot read ${file}: ${messageOf(error)}`, error);
  }
}
