const BUNDLE =
  /^application\/vnd\.dev\.sigstore\.bundle(?:\.v0\.[1-3]\+json|\+json;version=0\.[1-3])$/;

/** True for the media types of Sigstore bundles, versions 0.1 to 0.3 (sigstore protobuf-specs). */
export function isBundleType(mediaType: string): boolean {
  return BUNDLE.test(mediaType);
}
