import { codeOf } from '../lib/errors.ts';
import { mapParallel } from '../lib/parallel.ts';
import type { RegistryClient } from './client.ts';
import type { Digest } from './digest.ts';
import type { Descriptor } from './manifest.ts';
import type { ImageSource, SourceManifest } from './sources/source.ts';
import { verifyBlob } from './sources/source.ts';

/** What happened to a blob, for progress: each starts with `found` or `missing`. */
export type UploadEvent =
  /** The registry has it: nothing is sent. */
  | { readonly kind: 'found'; readonly blob: Descriptor }
  | { readonly kind: 'missing'; readonly blob: Descriptor }
  /** The registry took it from another of its repositories. */
  | { readonly kind: 'mounted'; readonly blob: Descriptor }
  /** `bytes` so far; fewer than before where an upload began anew. */
  | { readonly kind: 'sent'; readonly blob: Descriptor; readonly bytes: number }
  | { readonly kind: 'uploaded'; readonly blob: Descriptor };

/** One image on its way to a registry. */
export interface ImageUpload {
  readonly client: RegistryClient;
  /** The repository's name within the registry. */
  readonly path: string;
  /** The tag to give; `null` pushes by digest alone. */
  readonly tag: string | null;
  readonly source: ImageSource;
  /** Repositories of the same registry that may have the blobs. */
  readonly mountFrom?: readonly string[];
  /** Blobs under way at a time. */
  readonly jobs?: number;
  /** Called when all is there but the tag: signing happens here. Where it throws, no tag is given. */
  readonly beforeTag?: (subject: SourceManifest) => Promise<void>;
  readonly onEvent?: (event: UploadEvent) => void;
  readonly signal?: AbortSignal;
}

const DEFAULT_JOBS = 4;
const MAX_CANDIDATES = 4;

/**
 * Uploads an image so that its name is given last: what the registry lacks of the blobs, manifests by
 * digest (children first), `beforeTag`, then the tag. Every missing blob is read through and verified
 * before the first byte is sent, so that a damaged source pushes nothing. Throws what the client and
 * the source throw; what was sent before a failure is unreachable without the tag.
 */
export async function uploadImage(upload: ImageUpload): Promise<{ readonly digest: Digest }> {
  const { client, path, source, signal } = upload;
  const jobs = upload.jobs ?? DEFAULT_JOBS;
  const stop = new AbortController();
  const both = signal === undefined ? stop.signal : AbortSignal.any([signal, stop.signal]);
  const emit = upload.onEvent ?? ((): void => {});

  const lacking = await mapParallel(source.blobs, jobs, async (blob) => {
    both.throwIfAborted();
    const found = await client.hasBlob(path, blob.digest);
    emit({ kind: found ? 'found' : 'missing', blob });
    return found ? [] : [blob];
  });
  const missing = lacking.flat();
  await mapParallel(missing, jobs, (blob) => verifyBlob(source, blob, both));

  await mapParallel(missing, jobs, async (blob) => {
    try {
      await sendBlob(upload, blob, both, emit);
    } catch (error) {
      // One failure ends the push: the others need not be sent to their end.
      stop.abort(error);
      throw error;
    }
  });
  for (const manifest of source.manifests) {
    both.throwIfAborted();
    await putMissing(client, path, manifest);
  }
  both.throwIfAborted();
  await upload.beforeTag?.(source.root);
  both.throwIfAborted();
  if (upload.tag !== null)
    await client.putManifest(path, upload.tag, source.root.bytes, source.root.mediaType);
  return { digest: source.root.digest };
}

async function sendBlob(
  upload: ImageUpload,
  blob: Descriptor,
  signal: AbortSignal,
  emit: (event: UploadEvent) => void,
): Promise<void> {
  const content = {
    digest: blob.digest,
    size: blob.size,
    open: (start: number) => upload.source.openBlob(blob, start),
  };
  // Each registry tells only by trying whether it will mount; the last try's session is used if not.
  const [first, ...others] = upload.mountFrom ?? [];
  const mountFrom = await whereItIs(upload, blob.digest, first, others);
  const done = await upload.client.uploadBlob(upload.path, content, {
    ...(mountFrom === undefined ? {} : { mountFrom }),
    onSent: (bytes) => emit({ kind: 'sent', blob, bytes }),
    signal,
  });
  emit({ kind: done, blob });
}

/** The repository to mount from: the only candidate as it is, among several the first that has the blob. */
async function whereItIs(
  { client }: ImageUpload,
  digest: Digest,
  first: string | undefined,
  others: readonly string[],
): Promise<string | undefined> {
  if (first === undefined || others.length === 0) return first;
  for (const path of [first, ...others].slice(0, MAX_CANDIDATES)) {
    // A repository that may not be read is no source; whatever else is wrong shows in the upload.
    if (await client.hasBlob(path, digest).catch(() => false)) return path;
  }
  return undefined;
}

/** Puts a manifest by digest, unless the registry has it: pushing twice sends nothing twice. */
async function putMissing(
  client: RegistryClient,
  path: string,
  manifest: SourceManifest,
): Promise<void> {
  // A gate says of what is not trusted yet that it may not be read: that is no reason not to write it.
  const there = client.hasManifest(path, manifest.digest).catch((error: unknown) => {
    if (codeOf(error) === 'FORBIDDEN') return false;
    throw error;
  });
  if (await there) return;
  await client.putManifest(path, manifest.digest, manifest.bytes, manifest.mediaType);
}
