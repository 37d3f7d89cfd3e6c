import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join, posix } from 'node:path';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip, createGzip } from 'node:zlib';
import { messageOf } from '../../lib/errors.ts';
import type { Json } from '../../lib/json.ts';
import { isArray, isObject, parseJson } from '../../lib/json.ts';
import { LIMITS } from '../../lib/limits.ts';
import { unwrap } from '../../lib/result.ts';
import type { Digest } from '../digest.ts';
import { digestFromHex, digestOf, isDigest, shortDigest } from '../digest.ts';
import type { Descriptor } from '../manifest.ts';
import { MEDIA } from '../media-types.ts';
import { formatReference, parseReference, withDefaultTag } from '../reference.ts';
import type { Archive } from './archive.ts';
import { abortable } from './archive.ts';
import { readRange } from './folder.ts';
import type { ContentStore, ImageSource } from './source.ts';
import { invalidSource, openVerified, walk } from './source.ts';

/** One image of a docker archive's `manifest.json`. */
interface Entry {
  readonly config: string;
  readonly tags: readonly string[];
  readonly layers: readonly string[];
}

// Docker's own: fast enough for a push and small enough for a registry. Never changed without
// need: another level gives other bytes, and so another digest for the same image.
const GZIP_LEVEL = 6;
const MAX_TAGS = 1000;

/**
 * Opens an image of a `docker save` archive, old (`<id>/layer.tar`) or new (`blobs/`), as a schema 2
 * manifest with gzipped layers. The same archive gives the same digest on every machine with the same
 * zlib: gzip headers carry no time. Every layer is checked against the config's `diff_ids`.
 * Closes the archive when it throws. `name` is one of its tags; needed only where it has several images.
 */
export async function openDockerArchive(
  archive: Archive,
  name: string | undefined,
): Promise<ImageSource> {
  try {
    const entry = choose(archive, await readEntries(archive), name);
    const config = await archive.read(entry.config, LIMITS.manifestBytes);
    const diffIds = readDiffIds(archive, config, entry);
    const store = new Packed();
    const layers: Descriptor[] = [];
    for (const [index, layer] of entry.layers.entries()) {
      layers.push(await pack(archive, layer, diffIds[index] as Digest, store));
    }
    const configDescriptor = store.addBytes(MEDIA.dockerConfig, config);
    const manifest = Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: MEDIA.dockerManifest,
        config: configDescriptor,
        layers,
      }),
    );
    const closure = await walk(store.addBytes(MEDIA.dockerManifest, manifest), store);
    return {
      ...closure,
      openBlob: (descriptor, start = 0) => openVerified(descriptor, store, start),
      close: () => archive.close(),
    };
  } catch (error) {
    await archive.close();
    throw error;
  }
}

/** Content made here: small pieces in memory, layers in the archive itself or its temporary folder. */
class Packed implements ContentStore {
  readonly #parts = new Map<Digest, { size: number; open: (start: number) => Readable }>();

  addBytes(mediaType: string, bytes: Buffer): Descriptor {
    const digest = digestOf(bytes);
    this.add(digest, bytes.byteLength, (start) => Readable.from([bytes.subarray(start)]));
    return { mediaType, size: bytes.byteLength, digest };
  }

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

async function readEntries(archive: Archive): Promise<readonly Entry[]> {
  const bytes = await archive.read('manifest.json', LIMITS.manifestBytes);
  const parsed = parseJson(bytes, { maxBytes: LIMITS.manifestBytes });
  const bad = (why: string): Error => invalidSource(`${archive.file}: manifest.json: ${why}`);
  if (!parsed.ok) throw bad(parsed.refusal.message);
  if (!isArray(parsed.value)) throw bad('expected a list of images');
  return parsed.value.map((item) => {
    if (!isObject(item)) throw bad('expected a list of images');
    const tags = item['RepoTags'] ?? [];
    const config = item['Config'];
    const layers = item['Layers'] ?? [];
    if (typeof config !== 'string' || !isStrings(tags) || !isStrings(layers))
      throw bad('expected Config, RepoTags and Layers to be names');
    if (layers.length > LIMITS.descriptors || tags.length > MAX_TAGS)
      throw bad(`expected at most ${LIMITS.descriptors} layers`);
    return { config, tags, layers };
  });
}

const isStrings = (value: Json | undefined): value is readonly string[] =>
  isArray(value) && value.every((item) => typeof item === 'string');

function choose(archive: Archive, entries: readonly Entry[], name: string | undefined): Entry {
  const wanted = name === undefined ? undefined : canonical(name);
  const found = entries.filter(
    ({ tags }) => wanted === undefined || tags.some((tag) => canonical(tag) === wanted),
  );
  const [first] = found;
  if (first !== undefined && found.length === 1) return first;
  const there = entries
    .flatMap(({ tags }) => tags)
    .slice(0, 10)
    .join(', ');
  throw invalidSource(
    `expected one image${name === undefined ? '' : ` named ${name}`} in ${archive.file}, found ${found.length}; name one of: ${there === '' ? '(no names)' : there}`,
  );
}

/** `app`, `app:latest` and `docker.io/library/app:latest` are one name. */
function canonical(name: string): string {
  const parsed = parseReference(name);
  return parsed.ok ? formatReference(withDefaultTag(parsed.value)) : name;
}

function readDiffIds(archive: Archive, config: Buffer, entry: Entry): readonly Digest[] {
  const parsed = parseJson(config, { maxBytes: LIMITS.manifestBytes });
  const rootfs = parsed.ok && isObject(parsed.value) ? parsed.value['rootfs'] : undefined;
  const ids = isObject(rootfs) ? rootfs['diff_ids'] : undefined;
  if (!isStrings(ids) || !ids.every(isDigest) || ids.length !== entry.layers.length)
    throw invalidSource(
      `${archive.file}: expected a config with ${entry.layers.length} diff_ids, found ${isArray(ids) ? ids.length : 'none'}`,
    );
  return ids;
}

async function pack(
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
