import type { Reference } from '../../src/oci/reference.ts';
import { parseReference } from '../../src/oci/reference.ts';
import { TrustFailure } from './failure.ts';

const DIGEST_TO_TAG = 'cannot use a digest reference for IMAGE:TAG';

/** Reads an image argument as docker does. Throws its message. */
export function parseImageArgument(text: string): Reference {
  const parsed = parseReference(text);
  if (parsed.ok) return parsed.value;
  const [host = '', ...path] = text.replace(/:[\w.-]*$/, '').split('/');
  // Docker takes the first part for a host where it looks like one.
  const named = path.length > 0 && /[.:A-Z]|^localhost$/.test(host);
  const name = named ? path.join('/') : `library/${host}`;
  if (/^[A-Za-z0-9._/-]+$/.test(name) && /[A-Z]/.test(name)) {
    throw new TrustFailure(`invalid reference format: repository name (${name}) must be lowercase`);
  }
  throw new TrustFailure('invalid reference format');
}

/** An image with a tag, for `sign`. */
export function parseTagged(text: string): Reference & { readonly tag: string } {
  const image = parseImageArgument(text);
  const { tag, digest } = image;
  if (digest !== undefined) throw new TrustFailure(DIGEST_TO_TAG);
  if (tag === undefined) throw new TrustFailure(`no tag specified for ${text}`);
  return { ...image, tag };
}

/** An image with a tag or none, for `revoke`. */
export function parseTagOrAll(text: string): Reference {
  const image = parseImageArgument(text);
  if (image.digest !== undefined) throw new TrustFailure(DIGEST_TO_TAG);
  return image;
}
