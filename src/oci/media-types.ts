/** Media types of the OCI image-spec and of Docker's image manifest v2 schema 2. */
export const MEDIA = {
  ociManifest: 'application/vnd.oci.image.manifest.v1+json',
  ociIndex: 'application/vnd.oci.image.index.v1+json',
  ociConfig: 'application/vnd.oci.image.config.v1+json',
  ociEmpty: 'application/vnd.oci.empty.v1+json',
  ociLayer: 'application/vnd.oci.image.layer.v1.tar',
  ociLayerGzip: 'application/vnd.oci.image.layer.v1.tar+gzip',
  dockerManifest: 'application/vnd.docker.distribution.manifest.v2+json',
  dockerList: 'application/vnd.docker.distribution.manifest.list.v2+json',
  dockerConfig: 'application/vnd.docker.container.image.v1+json',
  dockerLayerGzip: 'application/vnd.docker.image.rootfs.diff.tar.gzip',
  octets: 'application/octet-stream',
} as const;

/** What we ask a registry for: images and indexes of both families, never schema 1. */
export const MANIFEST_ACCEPT = [
  MEDIA.ociManifest,
  MEDIA.ociIndex,
  MEDIA.dockerManifest,
  MEDIA.dockerList,
].join(', ');

/** `image` or `index` for a manifest media type we know; `undefined` for any other. */
export function kindOf(mediaType: string): 'image' | 'index' | undefined {
  switch (mediaType) {
    case MEDIA.ociManifest:
    case MEDIA.dockerManifest:
      return 'image';
    case MEDIA.ociIndex:
    case MEDIA.dockerList:
      return 'index';
    default:
      return undefined;
  }
}
