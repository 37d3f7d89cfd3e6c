import { decodeUtf8 } from '../../lib/bytes.ts';
import { LIMITS } from '../../lib/limits.ts';
import type { Result } from '../../lib/result.ts';
import { ok, refuse } from '../../lib/result.ts';
import type { Digest } from '../../oci/digest.ts';
import { digestOf } from '../../oci/digest.ts';
import type { Descriptor, ImageManifest } from '../../oci/manifest.ts';
import { parseManifest } from '../../oci/manifest.ts';
import { MEDIA } from '../../oci/media-types.ts';
import { COSIGN_MEDIA, SIGNATURE_ANNOTATION } from './names.ts';

/** A signature manifest with its config, ready to be stored. */
export interface SignatureManifest {
  readonly bytes: Uint8Array;
  readonly config: { readonly digest: Digest; readonly bytes: Uint8Array };
}

/**
 * Reads a manifest that should hold signatures: an OCI image manifest, one signature a layer. The
 * number of layers is bounded by the manifest's bytes only, so that an attacker who appends
 * thousands hides none of the first; readers look at the first `LIMITS.signatures`.
 */
export function parseSignatureManifest(
  bytes: Uint8Array,
  contentType: string,
): Result<ImageManifest> {
  const manifest = parseManifest(bytes, contentType, LIMITS.manifestBytes);
  if (!manifest.ok) return manifest;
  if (manifest.value.kind !== 'image' || manifest.value.mediaType !== MEDIA.ociManifest) {
    return refuse(
      'ARTIFACT_INVALID',
      `expected a signature manifest of type ${MEDIA.ociManifest}, found ${manifest.value.mediaType}`,
    );
  }
  return ok(manifest.value);
}

/** The descriptor of one signature: the payload's, with the signature as annotation. */
export function signatureLayer(payload: Uint8Array, signature: Uint8Array): Descriptor {
  return {
    mediaType: COSIGN_MEDIA.simpleSigning,
    size: payload.byteLength,
    digest: digestOf(payload),
    annotations: { [SIGNATURE_ANNOTATION]: Buffer.from(signature).toString('base64') },
  };
}

/** A new signature manifest with one layer, in cosign's shape. */
export function firstManifest(layer: Descriptor): SignatureManifest {
  const config = configFor([layer]);
  const bytes = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: MEDIA.ociManifest,
      config: config.descriptor,
      layers: [layer],
    }),
  );
  return { bytes, config };
}

/** Adds a layer; see {@link appendLayers}. */
export function appendLayer(
  old: Uint8Array,
  parsed: ImageManifest,
  layer: Descriptor,
): SignatureManifest {
  return appendLayers(old, parsed, [{ layer, text: JSON.stringify(layer) }]);
}

/**
 * Adds layers to a signature manifest that {@link parseSignatureManifest} accepted, each with the text
 * of its descriptor. The new text is the old one with the config replaced and the descriptors
 * inserted: every other byte stays, so that what other signers wrote, members we know nothing of
 * included, survives as they wrote it.
 */
export function appendLayers(
  old: Uint8Array,
  parsed: ImageManifest,
  added: readonly { readonly layer: Descriptor; readonly text: string }[],
): SignatureManifest {
  const addition = (parsed.layers.length === 0 ? '' : ',') + added.map((one) => one.text).join(',');
  return edited(old, [...parsed.layers, ...added.map((one) => one.layer)], ({ end }) => ({
    from: end - 1,
    to: end - 1,
    text: addition,
  }));
}

/** As {@link appendLayers}, with these layers instead of those that are there. */
export function withLayers(
  old: Uint8Array,
  layers: readonly { readonly layer: Descriptor; readonly text: string }[],
): SignatureManifest {
  return edited(
    old,
    layers.map((one) => one.layer),
    ({ start, end }) => ({
      from: start + 1,
      to: end - 1,
      text: layers.map((one) => one.text).join(','),
    }),
  );
}

interface Edit {
  readonly from: number;
  readonly to: number;
  readonly text: string;
}

function edited(
  old: Uint8Array,
  all: readonly Descriptor[],
  edit: (layers: Span) => Edit,
): SignatureManifest {
  const text = decodeUtf8(old) ?? '';
  const config = configFor(all);
  const spans = memberSpans(text);
  const layers = spans.get('layers');
  const oldConfig = spans.get('config');
  if (layers === undefined || oldConfig === undefined) {
    throw new RangeError('expected a signature manifest that was parsed before');
  }
  const edits = [
    edit(layers),
    { from: oldConfig.start, to: oldConfig.end, text: JSON.stringify(config.descriptor) },
  ].toSorted((a, b) => b.from - a.from);
  const result = edits.reduce((out, e) => out.slice(0, e.from) + e.text + out.slice(e.to), text);
  return { bytes: Buffer.from(result), config };
}

/** The texts of a manifest's layer descriptors as they were written; the manifest was parsed before. */
export function layerTexts(text: string): readonly string[] {
  const span = memberSpans(text).get('layers');
  const array = span === undefined ? '' : text.slice(span.start, span.end);
  const out: string[] = [];
  let depth = 0;
  let start = 0;
  for (const match of array.matchAll(TOKEN)) {
    if (match[0] === '{' || match[0] === '[') {
      depth++;
      if (depth === 2) start = match.index;
    }
    if (match[0] === '}' || match[0] === ']') {
      depth--;
      if (depth === 1) out.push(array.slice(start, match.index + 1));
    }
  }
  return out;
}

// cosign's config: an image of nothing, whose diff_ids are the payloads' digests (they are not compressed).
function configFor(
  layers: readonly Descriptor[],
): SignatureManifest['config'] & { readonly descriptor: Descriptor } {
  const zero = '0001-01-01T00:00:00Z';
  const bytes = Buffer.from(
    JSON.stringify({
      architecture: '',
      created: zero,
      history: layers.map(() => ({ created: zero })),
      os: '',
      rootfs: { type: 'layers', diff_ids: layers.map((layer) => layer.digest) },
      config: {},
    }),
  );
  const digest = digestOf(bytes);
  return {
    bytes,
    digest,
    descriptor: { mediaType: MEDIA.ociConfig, size: bytes.byteLength, digest },
  };
}

interface Span {
  readonly start: number;
  readonly end: number;
}

// Strings first, so that a bracket inside one is never taken for structure.
const TOKEN = /"[^"\\]*(?:\\.[^"\\]*)*"|[{}[\],:]|[^\s{}[\],:"]+/gs;

/** Where the values of the root object's members stand in the text, which is known to be valid JSON. */
function memberSpans(text: string): ReadonlyMap<string, Span> {
  const spans = new Map<string, Span>();
  let depth = 0;
  let key: string | undefined;
  let start: number | undefined;
  let last = 0;
  let expectKey = false;
  const close = (): void => {
    if (key !== undefined && start !== undefined) spans.set(key, { start, end: last });
    key = undefined;
    start = undefined;
    expectKey = true;
  };
  for (const match of text.matchAll(TOKEN)) {
    const token = match[0];
    if (depth === 1 && token === ':' && start === undefined) continue;
    if (depth === 1 && (token === ',' || token === '}')) close();
    else if (depth === 1 && expectKey) {
      key = JSON.parse(token) as string;
      expectKey = false;
    } else if (depth === 1 && start === undefined) start = match.index;
    if (token === '{' || token === '[') {
      depth++;
      if (depth === 1) expectKey = true;
    }
    if (token === '}' || token === ']') depth--;
    last = match.index + token.length;
  }
  return spans;
}
