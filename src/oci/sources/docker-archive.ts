import type { Json } from '../../lib/json.ts';
import { isArray, isObject, parseJson } from '../../lib/json.ts';
import { LIMITS } from '../../lib/limits.ts';
import type { Digest } from '../digest.ts';
import { isDigest } from '../digest.ts';
import type { Descriptor } from '../manifest.ts';
import { MEDIA } from '../media-types.ts';
import { formatReference, parseReference, withDefaultTag } from '../reference.ts';
import type { Archive } from './archive.ts';
import { Packed, pack } from './docker-layers.ts';
import type { ImageSource } from './source.ts';
import { invalidSource, openVerified, walk } from './source.ts';

/** One image of a docker archive's `manifest.json`. */
interface Entry {
  readonly config: string;
  readonly tags: readonly string[];
  readonly layers: readonly string[];
}

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
