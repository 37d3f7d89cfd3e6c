import { isObject, parseJson } from '../../lib/json.ts';
import { LIMITS } from '../../lib/limits.ts';
import type { Descriptor } from '../manifest.ts';
import { parseManifest } from '../manifest.ts';
import { MEDIA } from '../media-types.ts';
import type { ContentStore, ImageSource } from './source.ts';
import { invalidSource, openVerified, walk } from './source.ts';

/** The files of an OCI image layout, in a folder or an archive. */
export interface Layout extends ContentStore {
  /** How messages call it. */
  readonly name: string;
  /** Reads one of the layout's own files. Throws SOURCE_INVALID where it is missing or too large. */
  read(name: 'oci-layout' | 'index.json', maxBytes: number): Promise<Uint8Array>;
  close(): Promise<void>;
}

const REF_NAME = 'org.opencontainers.image.ref.name';

/**
 * Opens the image of a layout: the one named `tag`, or the only one. Everything it contains is read
 * and verified but for the blobs, which are verified as they are read. Closes the layout when it throws.
 */
export async function openLayout(layout: Layout, tag: string | undefined): Promise<ImageSource> {
  try {
    await checkVersion(layout);
    const index = parseManifest(
      await layout.read('index.json', LIMITS.manifestBytes),
      MEDIA.ociIndex,
    );
    if (!index.ok || index.value.kind !== 'index')
      throw invalidSource(
        `${layout.name}: index.json: ${index.ok ? 'expected an index' : index.refusal.message}`,
      );
    const closure = await walk(choose(layout.name, index.value.manifests, tag), layout);
    return {
      ...closure,
      openBlob: (descriptor, start = 0) => openVerified(descriptor, layout, start),
      close: () => layout.close(),
    };
  } catch (error) {
    await layout.close();
    throw error;
  }
}

async function checkVersion(layout: Layout): Promise<void> {
  const parsed = parseJson(await layout.read('oci-layout', 4096), { maxBytes: 4096 });
  const version =
    parsed.ok && isObject(parsed.value) ? parsed.value['imageLayoutVersion'] : undefined;
  if (version !== '1.0.0')
    throw invalidSource(
      `${layout.name}: expected an OCI layout of version 1.0.0, found ${JSON.stringify(version ?? null)}`,
    );
}

function choose(name: string, images: readonly Descriptor[], tag: string | undefined): Descriptor {
  const named = images.filter(
    (image) => tag === undefined || image.annotations?.[REF_NAME] === tag,
  );
  const digests = new Set(named.map((image) => image.digest));
  const [first] = named;
  if (first !== undefined && digests.size === 1) return first;
  const names = images.map((image) => image.annotations?.[REF_NAME]).filter(Boolean);
  const there = names.length === 0 ? 'none with a name' : names.slice(0, 10).join(', ');
  throw invalidSource(
    tag === undefined
      ? `expected one image in ${name}, found ${images.length}; name one (${there}) after a colon`
      : `expected one image named ${tag} in ${name}, found ${digests.size} (there are: ${there})`,
  );
}
