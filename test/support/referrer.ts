import type { JsonObject } from '../../src/lib/json.ts';
import type { Digest } from '../../src/oci/digest.ts';
import { digestOf, hexOf } from '../../src/oci/digest.ts';
import { MEDIA } from '../../src/oci/media-types.ts';
import { fallbackTag } from '../../src/oci/referrers.ts';
import type { Attacked } from './attacked.ts';
import type { Called } from './http-call.ts';
import { pushBlob } from './image.ts';
import type { TestSigner } from './signer.ts';

/** The artifact type of a Sigstore bundle. */
export const BUNDLE = 'application/vnd.dev.sigstore.bundle.v0.3+json';
/** The artifact type of a Notary Project signature. */
export const NOTATION = 'application/vnd.cncf.notary.signature';
/** The empty config of OCI artifacts. */
export const EMPTY = Buffer.from('{}');

/** A manifest that names a subject, with its blobs. */
export interface TestReferrer {
  readonly manifest: Buffer;
  readonly digest: Digest;
  readonly mediaType: string;
  readonly artifactType: string;
  readonly blobs: readonly Buffer[];
}

/** Parts that a test changes; the rest is what a real tool writes. */
export interface ReferrerParts {
  readonly artifactType?: string | null;
  readonly config?: JsonObject;
  readonly layers?: readonly { readonly type: string; readonly bytes: Buffer }[];
  /** Members over those of each layer's descriptor. */
  readonly layer?: JsonObject;
  readonly manifest?: JsonObject;
}

/** Builds a referrer: the shape of oras and cosign 3, with an empty config. */
export function buildReferrer(
  subject: Digest,
  type: string,
  content: Buffer,
  parts: ReferrerParts = {},
): TestReferrer {
  const layers = parts.layers ?? [{ type, bytes: content }];
  const artifactType = parts.artifactType === undefined ? type : parts.artifactType;
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: MEDIA.ociManifest,
      ...(artifactType === null ? {} : { artifactType }),
      config: { mediaType: MEDIA.ociEmpty, digest: digestOf(EMPTY), size: 2, ...parts.config },
      layers: layers.map((one) => ({
        mediaType: one.type,
        digest: digestOf(one.bytes),
        size: one.bytes.length,
        ...parts.layer,
      })),
      subject: { mediaType: MEDIA.ociManifest, digest: subject, size: 500 },
      ...parts.manifest,
    }),
  );
  const blobs = [EMPTY, ...layers.map((one) => one.bytes)];
  return {
    manifest,
    digest: digestOf(manifest),
    mediaType: MEDIA.ociManifest,
    artifactType: artifactType ?? '',
    blobs,
  };
}

/** The in-toto statement that cosign 3 signs; `name` as a signer gives the repository. */
export function statementFor(subject: Digest, name?: string): Buffer {
  return Buffer.from(
    JSON.stringify({
      _type: 'https://in-toto.io/Statement/v1',
      subject: [{ ...(name === undefined ? {} : { name }), digest: { sha256: hexOf(subject) } }],
      predicateType: 'https://sigstore.dev/cosign/sign/v1',
      predicate: {},
    }),
  );
}

/** A DSSE envelope over a statement, signed (DSSE protocol, "PAE"). */
export async function envelopeOver(statement: Buffer, signer: TestSigner): Promise<JsonObject> {
  const type = 'application/vnd.in-toto+json';
  const head = `DSSEv1 ${type.length} ${type} ${statement.length} `;
  const sig = await signer.sign(Buffer.concat([Buffer.from(head), statement]));
  return {
    payload: statement.toString('base64'),
    payloadType: type,
    signatures: [{ sig: Buffer.from(sig).toString('base64') }],
  };
}

/** A key-based Sigstore bundle for the subject, as cosign 3 attaches it. */
export async function buildBundle(
  subject: Digest,
  signer: TestSigner,
  name?: string,
): Promise<TestReferrer> {
  const bundle = {
    mediaType: BUNDLE,
    verificationMaterial: { publicKey: { hint: '' } },
    dsseEnvelope: await envelopeOver(statementFor(subject, name), signer),
  };
  return buildReferrer(subject, BUNDLE, Buffer.from(JSON.stringify(bundle)));
}

/** A JWS of the Notary Project's shape for the subject; its signature verifies with nothing. */
export function jwsFor(subject: Digest): Buffer {
  const text = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  return Buffer.from(
    JSON.stringify({
      payload: text({ targetArtifact: { mediaType: MEDIA.ociManifest, digest: subject, size: 5 } }),
      protected: text({ alg: 'ES256' }),
      header: { x5c: [] },
      signature: 'c2ln',
    }),
  );
}

/** Pushes blobs and the manifest by digest; returns the answer to the manifest. */
export async function pushReferrer(
  gate: Pick<Attacked, 'call' | 'url'>,
  path: string,
  referrer: TestReferrer,
  headers: Readonly<Record<string, string>> = {},
): Promise<Called> {
  for (const blob of referrer.blobs) await pushBlob(gate.url, path, blob, headers);
  return gate.call('PUT', `/v2/${path}/manifests/${referrer.digest}`, {
    headers: { ...headers, 'content-type': referrer.mediaType },
    body: referrer.manifest,
  });
}

/** An entry of a fallback index, as oras writes it. */
export function entryOf(
  referrer: Pick<TestReferrer, 'manifest' | 'digest' | 'mediaType'>,
): JsonObject {
  return {
    mediaType: referrer.mediaType,
    digest: referrer.digest,
    size: referrer.manifest.length,
  };
}

/** An index of the entries. */
export function fallbackIndex(entries: readonly JsonObject[]): Buffer {
  return Buffer.from(
    JSON.stringify({ schemaVersion: 2, mediaType: MEDIA.ociIndex, manifests: entries }),
  );
}

/** Puts an index under the subject's fallback tag. */
export function pushFallback(
  gate: Pick<Attacked, 'call'>,
  path: string,
  subject: Digest,
  index: Buffer,
  headers: Readonly<Record<string, string>> = {},
): Promise<Called> {
  return gate.call('PUT', `/v2/${path}/manifests/${fallbackTag(subject)}`, {
    headers: { ...headers, 'content-type': MEDIA.ociIndex },
    body: index,
  });
}
