import type { Json } from '../../src/lib/json.ts';
import type { Digest } from '../../src/oci/digest.ts';
import { digestOf, hexOf } from '../../src/oci/digest.ts';
import type { Descriptor } from '../../src/oci/manifest.ts';
import { MEDIA } from '../../src/oci/media-types.ts';
import type { Signer } from '../../src/keys/key.ts';

/** The type that cosign 3 gives its bundles. */
export const BUNDLE_TYPE = 'application/vnd.dev.sigstore.bundle.v0.3+json';
const IN_TOTO = 'application/vnd.in-toto+json';
const EMPTY = Buffer.from('{}');

/** `undefined` leaves a member out. */
type Members = Readonly<Record<string, Json | undefined>>;

/** A manifest with its one blob, ready to be stored. */
export interface TestBundle {
  readonly blob: Buffer;
  readonly manifest: Buffer;
  readonly digest: Digest;
  /** As cosign lists it in a fallback index: by its config's type, without annotations. */
  readonly indexed: Descriptor;
}

/** The statement that cosign 3 signs about an image, with members of the test laid over its own and its subject's. */
export function statementFor(digest: Digest, more: Members = {}, subject: Members = {}): Buffer {
  return Buffer.from(
    JSON.stringify({
      _type: 'https://in-toto.io/Statement/v1',
      subject: [{ digest: { sha256: hexOf(digest) }, ...subject }],
      predicateType: 'https://sigstore.dev/cosign/sign/v1',
      predicate: {},
      ...more,
    }),
  );
}

/** A signature over a statement as a bundle, its members laid over those that cosign 3 writes. */
export async function bundleOf(
  statement: Uint8Array,
  signer: Signer,
  more: Members = {},
): Promise<Buffer> {
  // DSSE's encoding once more, from its specification, so that a mistake in ours is noticed.
  const encoded = Buffer.concat([
    Buffer.from(`DSSEv1 28 ${IN_TOTO} ${statement.byteLength} `),
    statement,
  ]);
  const sig = Buffer.from(await signer.sign(encoded)).toString('base64');
  const payload = Buffer.from(statement).toString('base64');
  return Buffer.from(
    JSON.stringify({
      mediaType: BUNDLE_TYPE,
      verificationMaterial: { publicKey: { hint: 'aGludA==' } },
      dsseEnvelope: { payload, payloadType: IN_TOTO, signatures: [{ sig }] },
      ...more,
    }),
  );
}

/** The manifest that refers a bundle to an image, its members laid over those that cosign 3 writes. */
export function bundleManifest(blob: Buffer, subject: Digest, more: Members = {}): TestBundle {
  const type = BUNDLE_TYPE;
  const config = {
    mediaType: MEDIA.ociEmpty,
    artifactType: type,
    size: 2,
    digest: digestOf(EMPTY),
  };
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: MEDIA.ociManifest,
      artifactType: type,
      config,
      layers: [{ mediaType: type, size: blob.length, digest: digestOf(blob) }],
      subject: { mediaType: MEDIA.ociManifest, size: 100, digest: subject },
      ...more,
    }),
  );
  const digest = digestOf(manifest);
  const indexed: Descriptor = {
    mediaType: MEDIA.ociManifest,
    size: manifest.length,
    digest,
    artifactType: MEDIA.ociEmpty,
  };
  return { blob, manifest, digest, indexed };
}

/** A fallback index of these entries. */
export function indexOf(entries: readonly Descriptor[]): Buffer {
  const index = { schemaVersion: 2, mediaType: MEDIA.ociIndex, manifests: entries };
  return Buffer.from(JSON.stringify(index));
}
