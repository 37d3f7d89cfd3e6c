import { createHash } from 'node:crypto';
import type { Readable } from 'node:stream';
import { pipeline, Transform, Writable } from 'node:stream';
import { pipeline as finished } from 'node:stream/promises';
import { CountersignError } from '../../lib/errors.ts';
import { LIMITS } from '../../lib/limits.ts';
import type { Digest } from '../digest.ts';
import { algorithmOf, digestOf, shortDigest } from '../digest.ts';
import type { Descriptor } from '../manifest.ts';
import { parseManifest } from '../manifest.ts';
import { kindOf } from '../media-types.ts';

/** A manifest of a source: raw bytes, verified against the digest. */
export interface SourceManifest {
  readonly bytes: Uint8Array;
  readonly mediaType: string;
  readonly digest: Digest;
}

/** An image, or an index with all it contains, that can be pushed. All methods throw SOURCE_INVALID for damage. */
export interface ImageSource {
  readonly root: SourceManifest;
  /** The root's whole closure, children before those that contain them, the root last. */
  readonly manifests: readonly SourceManifest[];
  /** Configs and layers of all manifests, each once. Layers that are meant to be fetched elsewhere and are not here are left out. */
  readonly blobs: readonly Descriptor[];
  /** Opens a blob from `start` on. Read from 0 it is verified: the stream fails where the bytes are not the descriptor's. */
  openBlob(descriptor: Descriptor, start?: number): Readable;
  close(): Promise<void>;
}

/** Where a source keeps its content, by digest. */
export interface ContentStore {
  /** The size of what is stored, or `null`. */
  size(digest: Digest): Promise<number | null>;
  open(digest: Digest, start: number): Readable;
}

/** What {@link walk} found. */
export type Closure = Pick<ImageSource, 'root' | 'manifests' | 'blobs'>;

/** The error for a source that is damaged, incomplete or not what it should be. */
export function invalidSource(message: string, cause?: unknown): CountersignError {
  return new CountersignError('SOURCE_INVALID', message, cause === undefined ? {} : { cause });
}

// Layers that a base image's licence keeps off registries (Docker "foreign", OCI "nondistributable").
const ELSEWHERE =
  /^application\/vnd\.(?:docker\.image\.rootfs\.foreign\.diff\.tar|oci\.image\.layer\.nondistributable\.v1\.tar)/;

/** Reads the closure of a root, verifying every manifest; refuses what is missing, malformed, too deep or too much. */
export async function walk(root: Descriptor, store: ContentStore): Promise<Closure> {
  const manifests = new Map<Digest, SourceManifest>();
  const blobs = new Map<Digest, Descriptor>();

  const visitBlob = async (descriptor: Descriptor): Promise<void> => {
    if (blobs.has(descriptor.digest)) return;
    const size = await store.size(descriptor.digest);
    if (size === null && ELSEWHERE.test(descriptor.mediaType) && descriptor.urls !== undefined)
      return;
    expectSize(descriptor, size);
    blobs.set(descriptor.digest, descriptor);
  };

  const visit = async (descriptor: Descriptor, depth: number): Promise<SourceManifest> => {
    const seen = manifests.get(descriptor.digest);
    if (seen !== undefined) return seen;
    if (depth > LIMITS.indexDepth)
      throw invalidSource(`expected indexes nested at most ${LIMITS.indexDepth} deep`);
    expectSize(descriptor, await store.size(descriptor.digest));
    const bytes = await readVerified(descriptor, store, LIMITS.manifestBytes);
    const parsed = parseManifest(bytes, descriptor.mediaType);
    if (!parsed.ok)
      throw invalidSource(`${shortDigest(descriptor.digest)}: ${parsed.refusal.message}`);
    if (parsed.value.kind === 'index') {
      for (const child of parsed.value.manifests) {
        if (kindOf(child.mediaType) === undefined)
          throw invalidSource(`expected images in an index, found ${child.mediaType}`);
        await visit(child, depth + 1);
      }
    } else {
      await visitBlob(parsed.value.config);
      for (const layer of parsed.value.layers) await visitBlob(layer);
    }
    const { mediaType, digest } = descriptor;
    const manifest = { bytes, mediaType, digest };
    manifests.set(digest, manifest);
    if (manifests.size > LIMITS.descriptors)
      throw invalidSource(`expected at most ${LIMITS.descriptors} manifests`);
    return manifest;
  };

  const top = await visit(root, 0);
  return { root: top, manifests: [...manifests.values()], blobs: [...blobs.values()] };
}

function expectSize(descriptor: Descriptor, size: number | null): void {
  const name = shortDigest(descriptor.digest);
  if (size === null) throw invalidSource(`the source lacks ${name} (${descriptor.mediaType})`);
  if (size !== descriptor.size)
    throw invalidSource(`expected ${descriptor.size} bytes of ${name}, found ${size}`);
}

/** Reads content into memory, bounded and verified. Throws SOURCE_INVALID. */
export async function readVerified(
  descriptor: Descriptor,
  store: ContentStore,
  maxBytes: number,
): Promise<Buffer> {
  if (descriptor.size > maxBytes)
    throw invalidSource(`expected at most ${maxBytes} bytes, found ${descriptor.size}`);
  const chunks: Buffer[] = [];
  for await (const chunk of store.open(descriptor.digest, 0)) chunks.push(chunk as Buffer);
  const bytes = Buffer.concat(chunks);
  const found = digestOf(bytes, algorithmOf(descriptor.digest));
  if (found !== descriptor.digest) throw damaged(descriptor, shortDigest(found));
  return bytes;
}

/** Opens content as a stream that fails with SOURCE_INVALID where it ends as something else; from a later start only its length is checked. */
export function openVerified(descriptor: Descriptor, store: ContentStore, start: number): Readable {
  const hash = start === 0 ? createHash(algorithmOf(descriptor.digest)) : undefined;
  let size = start;
  const check = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      size += chunk.byteLength;
      if (size > descriptor.size) return done(damaged(descriptor, 'more bytes'));
      hash?.update(chunk);
      return done(null, chunk);
    },
    flush(done) {
      if (size !== descriptor.size) return done(damaged(descriptor, `${size} bytes`));
      const found = hash?.digest('hex');
      return found === undefined || descriptor.digest.endsWith(`:${found}`)
        ? done()
        : done(damaged(descriptor, found.slice(0, 12)));
    },
  });
  return pipeline(store.open(descriptor.digest, start), check, () => {});
}

/** Reads a blob to its end for its hash alone, so that damage shows before anything is pushed. Throws SOURCE_INVALID. */
export async function verifyBlob(
  source: ImageSource,
  descriptor: Descriptor,
  signal?: AbortSignal,
): Promise<void> {
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  await finished(source.openBlob(descriptor), nowhere, signal === undefined ? {} : { signal });
}

function damaged(descriptor: Descriptor, found: string): CountersignError {
  return invalidSource(
    `the source is damaged: expected ${shortDigest(descriptor.digest)} of ${descriptor.size} bytes, found ${found}`,
  );
}
