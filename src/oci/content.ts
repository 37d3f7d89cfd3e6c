import { CountersignError } from '../lib/errors.ts';
import { LIMITS } from '../lib/limits.ts';
import type { Digest } from './digest.ts';
import { algorithmOf, digestOf, isDigest, shortDigest } from './digest.ts';
import { manifestUrl, pullScope, pushScope, repositoryUrl } from './endpoint.ts';
import type { Call, Exchange } from './exchange.ts';
import { essence } from './manifest.ts';
import { MANIFEST_ACCEPT } from './media-types.ts';
import { isSure404, refusalOf } from './refusal.ts';

/** A manifest as the registry gave it: raw bytes, their own digest, and the type it was sent as. */
export interface ManifestContent {
  readonly bytes: Uint8Array;
  /** The Content-Type, lower case without parameters; not yet compared with the bytes. */
  readonly mediaType: string;
  /** The hash of the bytes; never what a header claims. */
  readonly digest: Digest;
}

/** Reads and writes manifests and blobs of the repositories of one registry; throws as its client does. */
export interface RegistryContent {
  manifest(path: string, reference: string): Promise<ManifestContent | null>;
  /** True where the registry has the manifest; asked by HEAD, so nothing more than that is known. */
  hasManifest(path: string, reference: string): Promise<boolean>;
  putManifest(path: string, reference: string, bytes: Uint8Array, mediaType: string): Promise<void>;
  /** The blob's bytes, checked against the digest. Throws TOO_LARGE for more than `maxBytes`. */
  blob(path: string, digest: Digest, maxBytes: number): Promise<Uint8Array | null>;
  hasBlob(path: string, digest: Digest): Promise<boolean>;
}

/** Makes the reads and writes of one registry's manifests and small blobs. */
export function createContent(exchange: Exchange): RegistryContent {
  const read = (path: string, method: 'GET' | 'HEAD', target: string): Call => ({
    method,
    target,
    headers: { accept: target.includes('/manifests/') ? MANIFEST_ACCEPT : '*/*' },
    scopes: [pullScope(path)],
    idempotent: true,
  });
  const head = (path: string, target: string, doing: string): Promise<boolean> =>
    exchange.request(read(path, 'HEAD', target), async (answer) => {
      if (answer.status !== 200 && answer.status !== 404) throw await refusalOf(answer, doing);
      await answer.drain();
      return answer.status === 200;
    });
  return {
    manifest(path, reference) {
      const doing = `reading ${path} ${shorten(reference)}`;
      const call = read(path, 'GET', manifestUrl(path, reference));
      return exchange.request(call, async (answer) => {
        if (answer.status === 404) return absent(answer, doing);
        if (answer.status !== 200) throw await refusalOf(answer, doing);
        const bytes = await answer.read(LIMITS.manifestBytes);
        const digest = digestOf(bytes, isDigest(reference) ? algorithmOf(reference) : 'sha256');
        if (isDigest(reference) && digest !== reference) throw lies(answer.host, reference, digest);
        return { bytes, mediaType: essence(answer.header('content-type') ?? ''), digest };
      });
    },
    hasManifest: (path, reference) =>
      head(path, manifestUrl(path, reference), `reading ${path} ${shorten(reference)}`),
    hasBlob: (path, digest) =>
      head(path, repositoryUrl(path, `blobs/${digest}`), `reading a blob of ${path}`),
    putManifest(path, reference, bytes, mediaType) {
      const doing = `pushing ${path} ${shorten(reference)}`;
      const call: Call = {
        method: 'PUT',
        target: manifestUrl(path, reference),
        headers: { 'content-type': mediaType },
        body: bytes,
        scopes: [pushScope(path)],
        idempotent: true,
      };
      return exchange.request(call, async (answer) => {
        if (answer.status !== 201) throw await refusalOf(answer, doing);
        await answer.drain();
        const claimed = answer.header('docker-content-digest');
        if (claimed === undefined || !isDigest(claimed)) return;
        const own = digestOf(bytes, algorithmOf(claimed));
        if (claimed !== own) throw lies(answer.host, own, claimed);
      });
    },
    blob(path, digest, maxBytes) {
      const doing = `reading blob ${shortDigest(digest)} of ${path}`;
      const call = read(path, 'GET', repositoryUrl(path, `blobs/${digest}`));
      return exchange.request(call, async (answer) => {
        if (answer.status === 404) return absent(answer, doing);
        if (answer.status !== 200) throw await refusalOf(answer, doing);
        const declared = Number(answer.header('content-length') ?? '0');
        if (declared > maxBytes) {
          await answer.drain();
          throw new CountersignError(
            'TOO_LARGE',
            `expected blob ${shortDigest(digest)} of at most ${maxBytes} bytes, found ${declared}`,
          );
        }
        const bytes = await answer.read(maxBytes);
        const own = digestOf(bytes, algorithmOf(digest));
        if (own !== digest) throw lies(answer.host, digest, own);
        return bytes;
      });
    },
  };
}

async function absent(answer: Parameters<typeof isSure404>[0], doing: string): Promise<null> {
  if (await isSure404(answer)) return null;
  throw new CountersignError(
    'UPSTREAM_INVALID',
    `${answer.host} answered ${doing} with a 404 page that is not a registry's: is that the registry's address?`,
  );
}

function shorten(reference: string): string {
  return isDigest(reference) ? shortDigest(reference) : reference;
}

function lies(host: string, expected: Digest, found: Digest): CountersignError {
  return new CountersignError(
    'UPSTREAM_INVALID',
    `expected ${shortDigest(expected)} from ${host}, found content of ${shortDigest(found)}`,
  );
}
