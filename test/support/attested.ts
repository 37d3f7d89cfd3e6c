import type { TestImage } from './image.ts';
import { buildImage, buildIndex, descriptorOf } from './image.ts';
import { digestOf } from '../../src/oci/digest.ts';

/**
 * An index as buildx pushes it: beside each image a manifest of its provenance, which names no
 * platform (`unknown/unknown`) and says in annotations whose it is.
 */
export function withAttestations(images: readonly TestImage[]): TestImage {
  const index = buildIndex(images);
  const attestations = images.map((image) =>
    buildImage({
      layers: [Buffer.from(`{"subject":[{"digest":"${image.digest}"}]}`)],
      config: { architecture: 'unknown', os: 'unknown' },
    }),
  );
  const written = JSON.parse(index.manifest.toString()) as { manifests: object[] };
  for (const [at, attestation] of attestations.entries()) {
    written.manifests.push({
      ...descriptorOf(attestation),
      annotations: {
        'vnd.docker.reference.digest': images[at]?.digest,
        'vnd.docker.reference.type': 'attestation-manifest',
      },
      platform: { architecture: 'unknown', os: 'unknown' },
    });
  }
  const manifest = Buffer.from(JSON.stringify(written));
  const children = [...images, ...attestations];
  return { ...index, manifest, digest: digestOf(manifest), children };
}
