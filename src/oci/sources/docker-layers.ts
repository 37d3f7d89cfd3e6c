import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join, posix } from 'node:path';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip, createGzip } from 'node:zlib';
import { messageOf } from '../../lib/errors.ts';
import { unwrap } from '../../lib/result.ts';
import type { Digest } from '../digest.ts';
import { digestFromHex, digestOf, shortDigest } from '../digest.ts';
import type { Descriptor } from '../manifest.ts';
import { MEDIA } from '../media-types.ts';
import type { Archive } from './archive.ts';
import { abortable } from './archive.ts';
import { readRange } from './folder.ts';
import type { ContentStore } from './source.ts';
import { invalidSource } from './source.ts';

// Docker's own: fast enough for a push and small enough for a registry. Never changed without
// need: another level gives other bytes, and so another digest for the same image.
const GZIP_LEVEL = 6;

/** Content made here: small pieces in memory, layers in the archive itself or its temporary folder. */
export class Packed implements ContentStore {
  readonly #parts = new Map<Digest, { size: number; open: (start: number) => Readable }>();

  /** Keeps bytes that are in memory. */
  addBytes(mediaType: string, bytes: Buffer): Descriptor {
    const digest = digestOf(bytes);
    this.add(digest, bytes.byteLength, (start) => Readable.from([bytes.subarray(start)]));
    return { mediaType, size: bytes.byteLength, digest };
  }

  /** Keeps content that is opened when it is read. */
  add(digest: Digest, size: number, open: (start: number) => Readable): void {
    this.#parts.set(digest, { size, open });
  }

  size(digest: Digest): Promise<number | null> {
    return Promise.resolve(this.#parts.get(digest)?.size ?? null);
  }

  open(digest: Digest, start: number): Readable {
    const part = this.#parts.get(digest);
    if (part === undefined) throw invalidSource(`the source lacks ${shortDigest(digest)}`);
    return part.open(start);
  }
}

/**
 * Makes a layer of an archive what registries take, gzipped, and keeps it in `store`; what it unpacks to
 * is checked against the config's `diffId`. Throws SOURCE_INVALID for a layer that is damaged.
 */
export async function pack(
  archive: Archive,
  name: string,
  diffId: Digest,
  store: Packed,
): Promise<Descriptor> {
  const file = followLink(archive, name);
  if (await startsGzip(archive, file)) return keep(archive, file, diffId, store);
  const plain = hashing();
  const zipped = hashing();
  const target = join(await archive.folder(), `layer-${diffId.replace(':', '-')}.gz`);
  // Node writes neither a name nor a time into the gzip header, so that the bytes depend on the layer alone.
  const gzip = createGzip({ level: GZIP_LEVEL });
  await run(
    archive,
    pipeline(archive.open(file), plain.through, gzip, zipped.through, createWriteStream(target)),
  );
  expectDiffId(archive, name, plain.digest(), diffId);
  const { size } = await stat(target);
  const digest = zipped.digest();
  store.add(digest, size, (start) => readRange(target, start));
  return { mediaType: MEDIA.dockerLayerGzip, size, digest };
}

/** A layer that is gzipped already is pushed as it is; what it unpacks to is checked all the same. */
async function keep(
  archive: Archive,
  file: string,
  diffId: Digest,
  store: Packed,
): Promise<Descriptor> {
  const zipped = hashing();
  const plain = hashing();
  await run(
    archive,
    pipeline(
      archive.open(file),
      zipped.through,
      createGunzip(),
      plain.through,
      drain,
      abortable(archive.signal),
    ),
  );
  expectDiffId(archive, file, plain.digest(), diffId);
  const digest = zipped.digest();
  store.add(digest, zipped.size(), (start) => archive.open(file, start));
  return { mediaType: MEDIA.dockerLayerGzip, size: zipped.size(), digest };
}

function expectDiffId(archive: Archive, name: string, found: Digest, diffId: Digest): void {
  if (found !== diffId)
    throw invalidSource(
      `${archive.file} is damaged: expected layer ${shortDigest(diffId)}, found ${shortDigest(found)} in ${name.slice(0, 100)}`,
    );
}

/**
 * Docker writes the second of two equal layers as a symbolic link to the first. One link to a file
 * within the archive is followed, by name alone: the disk is never asked, and the hash decides.
 */
function followLink(archive: Archive, name: string): string {
  const entry = archive.entries.get(name);
  return entry?.kind === 'link' ? posix.join(posix.dirname(name), entry.target) : name;
}

async function startsGzip(archive: Archive, name: string): Promise<boolean> {
  for await (const chunk of archive.open(name)) {
    const bytes = chunk as Buffer;
    return bytes[0] === 0x1f && bytes[1] === 0x8b;
  }
  return false;
}

async function run(archive: Archive, work: Promise<void>): Promise<void> {
  try {
    await work;
  } catch (error) {
    archive.signal?.throwIfAborted();
    throw invalidSource(`cannot read a layer of ${archive.file}: ${messageOf(error)}`, error);
  }
}

/** Reads to the end and keeps nothing: a hash on the way is all that is wanted. */
async function drain(stream: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of stream);
}

function hashing(): { through: Transform; digest(): Digest; size(): number } {
  const hash = createHash('sha256');
  let size = 0;
  const through = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      size += chunk.byteLength;
      hash.update(chunk);
      done(null, chunk);
    },
  });
  return {
    through,
    size: () => size,
    digest: () => unwrap(digestFromHex('sha256', hash.digest('hex'))),
  };
}
