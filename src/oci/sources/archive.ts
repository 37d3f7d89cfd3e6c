import { createReadStream, createWriteStream } from 'node:fs';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { extract } from 'tar-stream';
import { codeOf, messageOf } from '../../lib/errors.ts';
import { quote } from '../../lib/quote.ts';
import { algorithmOf, hexOf } from '../digest.ts';
import { readRange } from './folder.ts';
import type { Layout } from './layout.ts';
import { invalidSource } from './source.ts';

/** A file within an archive. */
export type ArchiveEntry =
  | { readonly kind: 'file'; readonly offset: number; readonly size: number }
  /** A symbolic or hard link; the target is the archive's own spelling. */
  | { readonly kind: 'link'; readonly target: string };

/** A tar archive whose entries are read in place; nothing is unpacked, so no name in it is ever a path. */
export interface Archive {
  readonly file: string;
  /** Aborts whatever reads it through. */
  readonly signal: AbortSignal | undefined;
  readonly entries: ReadonlyMap<string, ArchiveEntry>;
  /** Opens a file of the archive. Throws SOURCE_INVALID where it has no such file. */
  open(name: string, start?: number): Readable;
  /** Reads a file of the archive. Throws SOURCE_INVALID where it is missing or larger than `maxBytes`. */
  read(name: string, maxBytes: number): Promise<Buffer>;
  /** The archive's own temporary folder, gone after `close`. */
  folder(): Promise<string>;
  close(): Promise<void>;
}

const MAX_ENTRIES = 50_000;
const MAX_NAME = 4096;
const MAX_INFLATED = 256 * 1024 ** 3;

/**
 * Opens a tar archive, plain or gzipped, and notes where its files are. Refuses (SOURCE_INVALID)
 * what is truncated, has a name twice or one that climbs out (`..`, absolute), more than 50,000
 * entries, or anything but files, folders and links.
 */
export async function openArchive(path: string, signal?: AbortSignal): Promise<Archive> {
  let temporary: Promise<string> | undefined;
  const folder = (): Promise<string> =>
    (temporary ??= mkdtemp(join(tmpdir(), 'countersign-source-')));
  const close = async (): Promise<void> => {
    if (temporary !== undefined) await rm(await temporary, { recursive: true, force: true });
  };
  try {
    const file = (await isGzip(path))
      ? await inflate(path, join(await folder(), 'archive'), signal)
      : path;
    const entries = await index(file, path, signal);
    const find = (name: string): Extract<ArchiveEntry, { kind: 'file' }> => {
      const entry = entries.get(name);
      if (entry?.kind === 'file') return entry;
      throw invalidSource(
        `expected a file ${name} in ${path}, found ${entry === undefined ? 'none' : 'a link'}`,
      );
    };
    return {
      file: path,
      signal,
      entries,
      folder,
      close,
      open(name, start = 0) {
        const { offset, size } = find(name);
        return readRange(file, offset + start, size - start);
      },
      async read(name, maxBytes) {
        const { offset, size } = find(name);
        if (size > maxBytes)
          throw invalidSource(`expected at most ${maxBytes} bytes of ${name}, found ${size}`);
        const chunks: Buffer[] = [];
        for await (const chunk of readRange(file, offset, size)) chunks.push(chunk as Buffer);
        return Buffer.concat(chunks);
      },
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** The OCI layout in an archive. Links are refused: a layout has none. */
export function archiveLayout(archive: Archive): Layout {
  for (const [name, entry] of archive.entries) {
    if (entry.kind === 'link')
      throw invalidSource(`expected files only in ${archive.file}, found the link ${name}`);
  }
  return {
    name: archive.file,
    read: (name, maxBytes) => archive.read(name, maxBytes),
    size(digest) {
      const entry = archive.entries.get(`blobs/${algorithmOf(digest)}/${hexOf(digest)}`);
      return Promise.resolve(entry?.kind === 'file' ? entry.size : null);
    },
    open: (digest, start) => archive.open(`blobs/${algorithmOf(digest)}/${hexOf(digest)}`, start),
    close: () => archive.close(),
  };
}

async function isGzip(path: string): Promise<boolean> {
  try {
    await using file = await open(path, 'r');
    if (!(await file.stat()).isFile()) throw invalidSource(`expected an archive at ${path}`);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(2), 0, 2, 0);
    return bytesRead === 2 && buffer[0] === 0x1f && buffer[1] === 0x8b;
  } catch (error) {
    if (codeOf(error) === 'SOURCE_INVALID') throw error;
    throw invalidSource(`cannot read ${path}: ${messageOf(error)}`, error);
  }
}

async function inflate(from: string, to: string, signal: AbortSignal | undefined): Promise<string> {
  let size = 0;
  const bounded = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      size += chunk.byteLength;
      if (size > MAX_INFLATED) done(invalidSource(`${from} inflates to more than is accepted`));
      else done(null, chunk);
    },
  });
  try {
    await pipeline(
      createReadStream(from),
      createGunzip(),
      bounded,
      createWriteStream(to),
      abortable(signal),
    );
  } catch (error) {
    signal?.throwIfAborted();
    throw invalidSource(`cannot unpack ${from}: ${messageOf(error)}`, error);
  }
  return to;
}

async function index(
  file: string,
  name: string,
  signal: AbortSignal | undefined,
): Promise<Map<string, ArchiveEntry>> {
  const entries = new Map<string, ArchiveEntry>();
  const reader = extract();
  reader.on('entry', (header, stream, next) => {
    // The archive's own failure is told by the archive; its entry repeats it.
    stream.on('error', () => {});
    const refusal = note(entries, header);
    if (refusal !== undefined) {
      reader.destroy(invalidSource(`${name}: ${refusal}`));
      return;
    }
    stream.on('end', next);
    stream.resume();
  });
  try {
    await pipeline(
      createReadStream(file, { highWaterMark: 1024 * 1024 }),
      reader,
      abortable(signal),
    );
  } catch (error) {
    signal?.throwIfAborted();
    if (codeOf(error) === 'SOURCE_INVALID') throw error;
    throw invalidSource(`${name} is no whole tar archive: ${messageOf(error)}`, error);
  }
  return entries;
}

/** Options of a stream pipeline that ends with the signal, where there is one. */
export function abortable(signal: AbortSignal | undefined): { signal?: AbortSignal } {
  return signal === undefined ? {} : { signal };
}

interface Header {
  readonly name: string;
  readonly type?: string | null | undefined;
  readonly size?: number | undefined;
  readonly linkname?: string | null | undefined;
  // Where the file's bytes begin; set by tar-stream, missing in its types.
  readonly byteOffset?: number;
}

function note(entries: Map<string, ArchiveEntry>, header: Header): string | undefined {
  const shown = quote(header.name, 100);
  const name = header.name.replace(/^(?:\.\/+)+/, '').replace(/\/+$/, '');
  if (name.length > MAX_NAME || name.includes('\0')) return 'expected shorter names';
  if (name.startsWith('/') || name.split('/').includes('..'))
    return `expected names within the archive, found ${shown}`;
  if (header.type === 'directory') return undefined;
  if (entries.has(name)) return `expected each name once, found ${shown} twice`;
  if (entries.size >= MAX_ENTRIES) return `expected at most ${MAX_ENTRIES} entries`;
  switch (header.type) {
    case 'file':
    case 'contiguous-file':
      if (header.byteOffset === undefined || header.size === undefined) return 'no place of a file';
      entries.set(name, { kind: 'file', offset: header.byteOffset, size: header.size });
      return undefined;
    case 'link':
    case 'symlink':
      entries.set(name, { kind: 'link', target: header.linkname ?? '' });
      return undefined;
    default:
      return `expected files only, found ${shown}`;
  }
}
