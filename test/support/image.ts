import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { request } from 'undici';
import { sha256Hex } from '../../src/lib/bytes.ts';
import type { Json } from '../../src/lib/json.ts';
import type { Descriptor } from '../../src/oci/manifest.ts';
import type { Digest } from '../../src/oci/digest.ts';
import { algorithmOf, digestOf, hexOf } from '../../src/oci/digest.ts';
import { MEDIA } from '../../src/oci/media-types.ts';
import { tarLayer } from './tar.ts';

const DOCKER_LAYER = 'application/vnd.docker.image.rootfs.diff.tar';

/** An image or an index made for a test: exact bytes, so that digests are known before anything is pushed. */
export interface TestImage {
  readonly manifest: Buffer;
  readonly digest: Digest;
  readonly mediaType: string;
  /** Config and layers by digest; empty for an index. */
  readonly blobs: ReadonlyMap<Digest, Buffer>;
  /** The images of an index; empty for an image. */
  readonly children: readonly TestImage[];
}

/** How an image differs from the usual one. */
export interface ImageParts {
  /** Raw layer bytes, plain or gzipped tar; one small tar when left out. */
  readonly layers?: readonly Uint8Array[];
  /** The config: members laid over a runnable default, or raw bytes. */
  readonly config?: Readonly<Record<string, Json>> | Uint8Array;
  readonly configMediaType?: string;
  readonly artifactType?: string;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly subject?: Pick<TestImage, 'manifest' | 'digest' | 'mediaType'>;
  /** `docker` writes Docker's schema 2 types instead of OCI's. */
  readonly family?: 'oci' | 'docker';
}

/** An image of one file that holds `content`. */
export function contentImage(content: string): TestImage {
  return buildImage({ layers: [tarLayer({ content })] });
}

/** Builds an image; the same parts give the same digest. */
export function buildImage(parts: ImageParts = {}): TestImage {
  const docker = parts.family === 'docker';
  const layers = (parts.layers ?? [tarLayer({ 'hello.txt': 'hello\n' })]).map((b) =>
    Buffer.from(b),
  );
  const config = configBytes(parts.config, layers);
  const mediaType = docker ? MEDIA.dockerManifest : MEDIA.ociManifest;
  const manifest = json({
    schemaVersion: 2,
    mediaType,
    ...(parts.artifactType === undefined ? {} : { artifactType: parts.artifactType }),
    config: describe(
      config,
      parts.configMediaType ?? (docker ? MEDIA.dockerConfig : MEDIA.ociConfig),
    ),
    layers: layers.map((layer) => describe(layer, layerType(layer, docker))),
    ...(parts.subject === undefined ? {} : { subject: descriptorOf(parts.subject) }),
    ...(parts.annotations === undefined ? {} : { annotations: parts.annotations }),
  });
  const blobs = new Map([config, ...layers].map((bytes) => [digestOf(bytes), bytes]));
  return { manifest, digest: digestOf(manifest), mediaType, blobs, children: [] };
}

/** Builds an index over the images; the first is linux/amd64, the others get other platforms. */
export function buildIndex(
  children: readonly TestImage[],
  options: Pick<ImageParts, 'annotations' | 'artifactType' | 'subject' | 'family'> = {},
): TestImage {
  const architectures = ['amd64', 'arm64', 'ppc64le', 's390x', 'riscv64'];
  const mediaType = options.family === 'docker' ? MEDIA.dockerList : MEDIA.ociIndex;
  const manifest = json({
    schemaVersion: 2,
    mediaType,
    ...(options.artifactType === undefined ? {} : { artifactType: options.artifactType }),
    manifests: children.map((child, index) => ({
      ...descriptorOf(child),
      platform: { os: 'linux', architecture: architectures[index] ?? `arch${index}` },
    })),
    ...(options.subject === undefined ? {} : { subject: descriptorOf(options.subject) }),
    ...(options.annotations === undefined ? {} : { annotations: options.annotations }),
  });
  return { manifest, digest: digestOf(manifest), mediaType, blobs: new Map(), children };
}

/** The descriptor of an image, as another manifest names it. */
export function descriptorOf(
  image: Pick<TestImage, 'manifest' | 'digest' | 'mediaType'>,
): Descriptor {
  return { mediaType: image.mediaType, digest: image.digest, size: image.manifest.length };
}

/** Writes the image as an OCI image layout (image-spec "Image Layout") into an existing or new folder. */
export function writeOciLayout(dir: string, image: TestImage, tag: string): void {
  const put = (digest: Digest, bytes: Buffer): void => {
    const folder = join(dir, 'blobs', algorithmOf(digest));
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, hexOf(digest)), bytes);
  };
  const all = (one: TestImage): void => {
    one.children.forEach(all);
    for (const [digest, bytes] of one.blobs) put(digest, bytes);
    put(one.digest, one.manifest);
  };
  all(image);
  const annotations = { 'org.opencontainers.image.ref.name': tag };
  writeFileSync(join(dir, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
  writeFileSync(
    join(dir, 'index.json'),
    json({
      schemaVersion: 2,
      mediaType: MEDIA.ociIndex,
      manifests: [{ ...descriptorOf(image), annotations }],
    }),
  );
}

/**
 * Pushes an image over plain HTTP(S): blobs, children by digest, then the manifest by `tag` (or by its
 * digest). Throws with the status and body of the first answer that is no success.
 */
export async function pushImage(
  baseUrl: string,
  path: string,
  image: TestImage,
  tag?: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<Digest> {
  for (const bytes of image.blobs.values()) await pushBlob(baseUrl, path, bytes, headers);
  for (const child of image.children) await pushImage(baseUrl, path, child, undefined, headers);
  await send(`${baseUrl}/v2/${path}/manifests/${tag ?? image.digest}`, 'PUT', image.manifest, {
    ...headers,
    'content-type': image.mediaType,
  });
  return image.digest;
}

/** Uploads one blob the way docker does (POST, then PUT to the Location). Throws as {@link pushImage} does. */
export async function pushBlob(
  baseUrl: string,
  path: string,
  bytes: Buffer,
  headers: Readonly<Record<string, string>> = {},
): Promise<Digest> {
  const digest = digestOf(bytes);
  const start = `${baseUrl}/v2/${path}/blobs/uploads/`;
  const opened = await send(start, 'POST', undefined, headers);
  const location = new URL(opened, start);
  location.searchParams.set('digest', digest);
  await send(location.href, 'PUT', bytes, {
    ...headers,
    'content-type': MEDIA.octets,
  });
  return digest;
}

async function send(
  url: string,
  method: 'POST' | 'PUT',
  body: Buffer | undefined,
  headers: Readonly<Record<string, string>>,
): Promise<string> {
  const answer = await request(url, { method, body: body ?? null, headers });
  const text = await answer.body.text();
  if (answer.statusCode < 200 || answer.statusCode > 299) {
    throw new Error(`${method} ${url} answered ${answer.statusCode}: ${text}`);
  }
  const location = answer.headers['location'];
  return typeof location === 'string' ? location : '';
}

const isGzip = (bytes: Uint8Array): boolean => bytes[0] === 0x1f && bytes[1] === 0x8b;
const layerType = (bytes: Uint8Array, docker: boolean): string => {
  if (docker) return isGzip(bytes) ? MEDIA.dockerLayerGzip : DOCKER_LAYER;
  return isGzip(bytes) ? MEDIA.ociLayerGzip : MEDIA.ociLayer;
};
const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));
const describe = (bytes: Buffer, mediaType: string): Descriptor => ({
  mediaType,
  digest: digestOf(bytes),
  size: bytes.length,
});

function configBytes(config: ImageParts['config'], layers: readonly Buffer[]): Buffer {
  if (config instanceof Uint8Array) return Buffer.from(config);
  const diffIds = layers.map((l) => `sha256:${sha256Hex(isGzip(l) ? gunzipSync(l) : l)}`);
  return json({
    architecture: 'amd64',
    os: 'linux',
    config: { Cmd: ['/hello.txt'] },
    rootfs: { type: 'layers', diff_ids: diffIds },
    history: layers.map(() => ({ created_by: 'test' })),
    ...config,
  });
}
