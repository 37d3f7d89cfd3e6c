import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Signer } from '../../src/keys/key.ts';
import { unwrap } from '../../src/lib/result.ts';
import type { Digest } from '../../src/oci/digest.ts';
import { digestOf } from '../../src/oci/digest.ts';
import { MEDIA } from '../../src/oci/media-types.ts';
import { repositoryOf } from '../../src/oci/reference.ts';
import { signatureTag } from '../../src/trust/cosign/names.ts';
import { firstManifest, signatureLayer } from '../../src/trust/cosign/manifest.ts';
import { makePayload } from '../../src/trust/cosign/payload.ts';
import type { WireServer } from './wire-server.ts';
import { answerError, startWireServer } from './wire-server.ts';

/** A registry with more tags than anybody would push for a test: made up as it is asked, always the same. */
export interface ManyTags {
  readonly server: WireServer;
  readonly repositories: readonly string[];
  /** Answers something else from now on where it returns true. */
  fault: (request: IncomingMessage, response: ServerResponse) => boolean;
  /** How often manifests under signature tags were asked for. */
  readonly evidence: () => number;
}

/** How much the registry holds. */
export interface ManyTagsOptions {
  readonly repositories: number;
  /** In each repository. */
  readonly tags: number;
  /** Different images in each repository, each under many tags; every second one is signed. */
  readonly digests: number;
  /** The name that signatures are made for. */
  readonly host: string;
  readonly signer: Signer;
}

interface Stored {
  readonly bytes: Buffer;
  readonly mediaType: string;
}

/** Starts it, with the tags `t0`, `t1`, … in the repositories `team/r0`, `team/r1`, … */
export async function startManyTags(options: ManyTagsOptions): Promise<ManyTags> {
  const { tags, digests, host, signer } = options;
  const images = Array.from({ length: options.repositories * digests }, (_, n) => imageOf(n));
  const numberOf = new Map(images.map(({ bytes }, n) => [digestOf(bytes), n]));
  const repositories = Array.from({ length: options.repositories }, (_, r) => `team/r${r}`);
  const blobs = new Map<string, Buffer>();
  const signatures = new Map<string, Promise<Stored>>();
  let evidence = 0;

  const sign = async (path: string, digest: Digest): Promise<Stored> => {
    const claim = { tag: null, annotations: {}, creator: null, timestamp: null };
    const repository = unwrap(repositoryOf(host, path));
    const payload = makePayload({ ...claim, repository, digest });
    const layer = signatureLayer(payload, await signer.sign(payload));
    const { bytes, config } = firstManifest(layer);
    blobs.set(layer.digest, Buffer.from(payload));
    blobs.set(config.digest, Buffer.from(config.bytes));
    return { bytes: Buffer.from(bytes), mediaType: MEDIA.ociManifest };
  };
  const manifest = async (path: string, reference: string): Promise<Stored | undefined> => {
    const tag = /^t([0-9]+)$/.exec(reference)?.[1];
    const first = Number(path.slice('team/r'.length)) * digests;
    if (tag !== undefined && Number(tag) < tags) return images[first + (Number(tag) % digests)];
    if (!reference.endsWith('.sig')) return images[numberOf.get(reference as Digest) ?? -1];
    evidence++;
    const digest = reference.replace(/\.sig$/, '').replace('-', ':') as Digest;
    if ((numberOf.get(digest) ?? 1) % 2 === 1) return undefined;
    const key = `${path}\n${digest}`;
    const known = signatures.get(key) ?? sign(path, digest);
    signatures.set(key, known);
    return known;
  };
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const url = new URL(request.url ?? '', 'http://x');
    if (url.pathname === '/v2/_catalog') return list(url, response, 'repositories', repositories);
    const [, path = '', kind, reference = ''] =
      /^\/v2\/(team\/r[0-9]+)\/(tags|manifests|blobs)\/(.+)$/.exec(url.pathname) ?? [];
    if (kind === 'tags') {
      const names = Array.from({ length: tags }, (_, n) => `t${n}`).toSorted();
      const signature = images[0] === undefined ? null : signatureTag(digestOf(images[0].bytes));
      return list(url, response, 'tags', [...(signature === null ? [] : [signature]), ...names]);
    }
    const blob = kind === 'blobs' ? blobs.get(reference) : undefined;
    const stored = kind === 'manifests' ? await manifest(path, reference) : undefined;
    const bytes = stored?.bytes ?? blob;
    if (bytes === undefined) return answerError(response, 404, 'MANIFEST_UNKNOWN', 'none');
    response.writeHead(200, {
      'content-type': stored?.mediaType ?? MEDIA.octets,
      'content-length': bytes.length,
      'docker-content-digest': digestOf(bytes),
    });
    response.end(request.method === 'HEAD' ? undefined : bytes);
  };
  const many: { fault: ManyTags['fault'] } = { fault: () => false };
  const server = await startWireServer(async (request, response) => {
    if (!many.fault(request, response)) await answer(request, response);
  });
  return Object.assign(many, { server, repositories, evidence: () => evidence });
}

function imageOf(n: number): Stored {
  const empty = { mediaType: MEDIA.ociConfig, digest: digestOf(Buffer.from('{}')), size: 2 };
  const text = JSON.stringify({
    schemaVersion: 2,
    mediaType: MEDIA.ociManifest,
    config: empty,
    layers: [],
    annotations: { number: String(n) },
  });
  return { bytes: Buffer.from(text), mediaType: MEDIA.ociManifest };
}

/** One page, with a Link to the next (distribution-spec, "Listing Tags"). */
function list(url: URL, response: ServerResponse, member: string, all: readonly string[]): void {
  const last = url.searchParams.get('last');
  const rest = last === null ? all : all.slice(all.indexOf(last) + 1);
  const page = rest.slice(0, Number(url.searchParams.get('n') ?? '100'));
  const end = page.at(-1);
  if (page.length < rest.length && end !== undefined) {
    const next = new URLSearchParams({ n: String(page.length), last: end }).toString();
    response.setHeader('link', `<${url.pathname}?${next}>; rel="next"`);
  }
  response.end(JSON.stringify({ [member]: page }));
}
