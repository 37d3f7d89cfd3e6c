import type { Json, JsonObject } from '../lib/json.ts';
import { isArray, isCount, isObject, parseJson } from '../lib/json.ts';
import { LIMITS } from '../lib/limits.ts';
import type { Result } from '../lib/result.ts';
import { ok, refuse } from '../lib/result.ts';
import type { Digest } from './digest.ts';
import { isDigest } from './digest.ts';
import { kindOf, MEDIA } from './media-types.ts';

/** A descriptor (OCI image-spec, "Content Descriptors"); `size` in bytes. */
export interface Descriptor {
  readonly mediaType: string;
  readonly digest: Digest;
  readonly size: number;
  readonly artifactType?: string;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly platform?: JsonObject;
  readonly urls?: readonly string[];
}

interface Common {
  readonly mediaType: string;
  readonly artifactType?: string;
  readonly subject?: Descriptor;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** An image manifest: one config, some layers. */
export interface ImageManifest extends Common {
  readonly kind: 'image';
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
}

/** An image index or manifest list. */
export interface IndexManifest extends Common {
  readonly kind: 'index';
  readonly manifests: readonly Descriptor[];
}

/** What {@link parseManifest} reads: told apart by `kind`. */
export type Manifest = ImageManifest | IndexManifest;

const invalid = (message: string): Result<never> => refuse('MANIFEST_INVALID', message);

/** The media type of a Content-Type header: lower case, parameters cut. */
export function essence(contentType: string): string {
  return (contentType.split(';', 1)[0] ?? '').trim().toLowerCase();
}

/**
 * Reads a manifest strictly, from its raw bytes (OCI image-spec "Image Manifest", "Image Index";
 * Docker image manifest v2 schema 2 and list). Refused: more than 4 MiB, JSON that two readers could
 * see differently, schema 1, a type that disagrees with `contentType`, a document that is both an
 * image and an index (GHSA-qq97, CVE-2021-41190), malformed descriptors, more of them than `maxDescriptors`.
 * Without `contentType`, `mediaType` inside must say what it is, or its shape where OCI lets it be absent.
 */
export function parseManifest(
  bytes: Uint8Array,
  contentType?: string,
  maxDescriptors: number = LIMITS.descriptors,
): Result<Manifest> {
  if (bytes.byteLength > LIMITS.manifestBytes) {
    return refuse(
      'MANIFEST_TOO_LARGE',
      `expected a manifest of at most 4 MiB, found ${bytes.byteLength} bytes`,
    );
  }
  const parsed = parseJson(bytes, { maxBytes: LIMITS.manifestBytes });
  if (!parsed.ok) return invalid(`manifest is not strict JSON: ${parsed.refusal.message}`);
  const root = parsed.value;
  if (!isObject(root)) return invalid('expected a manifest object');
  const lookalike = lookalikeIn(root, ROOT_MEMBERS);
  if (lookalike !== undefined) return invalid(lookalike);
  if (root['schemaVersion'] !== 2) {
    return invalid(
      `expected schemaVersion 2, found ${JSON.stringify(root['schemaVersion'] ?? null)}; schema 1 is not supported`,
    );
  }
  const type = manifestType(root, contentType);
  if (!type.ok) return type;
  const kind = kindOf(type.value);
  if (kind === undefined)
    return invalid(`expected an image manifest or index, found type ${type.value.slice(0, 100)}`);
  const common = parseCommon(root, type.value);
  if (!common.ok) return common;
  if (kind === 'index') {
    if ('layers' in root || 'config' in root)
      return invalid('an index must not have "config" or "layers"');
    const manifests = descriptors(root['manifests'], 'manifests', maxDescriptors);
    return manifests.ok ? ok({ kind, ...common.value, manifests: manifests.value }) : manifests;
  }
  if ('manifests' in root) return invalid('an image manifest must not have "manifests"');
  const config = descriptor(root['config'], 'config');
  if (!config.ok) return config;
  const layers = descriptors(root['layers'], 'layers', maxDescriptors);
  return layers.ok
    ? ok({ kind, ...common.value, config: config.value, layers: layers.value })
    : layers;
}

// Members that readers know, those of schema 1 among them.
const ROOT_MEMBERS = membersOf(
  'schemaVersion mediaType artifactType config layers manifests subject annotations name tag architecture fsLayers history signatures',
);
const DESCRIPTOR_MEMBERS = membersOf(
  'mediaType digest size urls annotations data platform artifactType',
);

/**
 * Go reads members without regard to case, and the last one wins (encoding/json, "Unmarshal"; so do
 * containerd, docker and podman): `"Layers"` beside `"layers"` would be one image here and another one
 * there. Both foldings, for Go also takes \u017f for an s and \u212a for a k.
 */
function lookalikeIn(object: JsonObject, members: ReadonlyMap<string, string>): string | undefined {
  for (const name of Object.keys(object)) {
    const meant = members.get(fold(name));
    if (meant !== undefined && meant !== name)
      return `expected "${meant}" in its own spelling, found ${JSON.stringify(name)}`;
  }
  return undefined;
}

function membersOf(names: string): ReadonlyMap<string, string> {
  return new Map(names.split(' ').map((name) => [fold(name), name]));
}

function fold(name: string): string {
  return name.toUpperCase().toLowerCase();
}

function manifestType(root: JsonObject, contentType: string | undefined): Result<string> {
  const inside = root['mediaType'];
  if (inside !== undefined && typeof inside !== 'string')
    return invalid('expected "mediaType" to be a string');
  const outside = contentType === undefined ? undefined : essence(contentType);
  if (inside !== undefined && outside !== undefined && inside !== outside) {
    return invalid(
      `Content-Type ${outside.slice(0, 100)} disagrees with the manifest's mediaType ${inside.slice(0, 100)}`,
    );
  }
  const named = inside ?? outside;
  if (named !== undefined) return ok(named);
  if ('manifests' in root) return ok(MEDIA.ociIndex);
  return ok(MEDIA.ociManifest);
}

function parseCommon(root: JsonObject, mediaType: string): Result<Common> {
  const artifactType = root['artifactType'];
  if (artifactType !== undefined && typeof artifactType !== 'string')
    return invalid('expected "artifactType" to be a string');
  const annotations = stringMap(root['annotations'], 'annotations');
  if (!annotations.ok) return annotations;
  let subject: Descriptor | undefined;
  if (root['subject'] !== undefined) {
    const parsed = descriptor(root['subject'], 'subject');
    if (!parsed.ok) return parsed;
    subject = parsed.value;
  }
  return ok({
    mediaType,
    ...(artifactType === undefined ? {} : { artifactType }),
    ...(subject === undefined ? {} : { subject }),
    ...(annotations.value === undefined ? {} : { annotations: annotations.value }),
  });
}

function descriptors(value: Json | undefined, field: string, most: number): Result<Descriptor[]> {
  if (!isArray(value)) return invalid(`expected "${field}" to be an array`);
  if (value.length > most) {
    return invalid(`expected at most ${most} entries in "${field}", found ${value.length}`);
  }
  const out: Descriptor[] = [];
  for (const [index, item] of value.entries()) {
    const parsed = descriptor(item, `${field}[${index}]`);
    if (!parsed.ok) return parsed;
    out.push(parsed.value);
  }
  return ok(out);
}

function descriptor(value: Json | undefined, field: string): Result<Descriptor> {
  if (!isObject(value)) return invalid(`expected "${field}" to be a descriptor`);
  const lookalike = lookalikeIn(value, DESCRIPTOR_MEMBERS);
  if (lookalike !== undefined) return invalid(`${field}: ${lookalike}`);
  const { mediaType, digest, size, artifactType, platform, urls } = value;
  if (typeof mediaType !== 'string' || mediaType.length > 255)
    return invalid(`expected "${field}.mediaType" to be a string`);
  if (typeof digest !== 'string' || !isDigest(digest))
    return invalid(`expected "${field}.digest" to be a sha256 or sha512 digest`);
  if (!isCount(size)) return invalid(`expected "${field}.size" to be a whole number of bytes`);
  if (artifactType !== undefined && typeof artifactType !== 'string')
    return invalid(`expected "${field}.artifactType" to be a string`);
  if (platform !== undefined && !isObject(platform))
    return invalid(`expected "${field}.platform" to be an object`);
  if (urls !== undefined && !(isArray(urls) && urls.every((url) => typeof url === 'string'))) {
    return invalid(`expected "${field}.urls" to be strings`);
  }
  const annotations = stringMap(value['annotations'], `${field}.annotations`);
  if (!annotations.ok) return annotations;
  return ok({
    mediaType,
    digest,
    size,
    ...(artifactType === undefined ? {} : { artifactType }),
    ...(annotations.value === undefined ? {} : { annotations: annotations.value }),
    ...(platform === undefined ? {} : { platform }),
    ...(urls === undefined ? {} : { urls: urls as readonly string[] }),
  });
}

function stringMap(
  value: Json | undefined,
  field: string,
): Result<Readonly<Record<string, string>> | undefined> {
  // Some builders write `"annotations": null`; Go readers take it as absent, and so do we.
  if (value === undefined || value === null) return ok(undefined);
  if (!isObject(value) || !Object.values(value).every((item) => typeof item === 'string')) {
    return invalid(`expected "${field}" to be a map of strings`);
  }
  return ok(value as Readonly<Record<string, string>>);
}
