import { quote } from '../lib/quote.ts';
import type { Result } from '../lib/result.ts';
import { ok, refuse } from '../lib/result.ts';
import type { Digest } from '../oci/digest.ts';
import { parseDigest } from '../oci/digest.ts';
import { isPath, isTag } from '../oci/reference.ts';

/** A tag or a digest, told apart by grammar once. */
export type ManifestReference = { readonly tag: string } | { readonly digest: Digest };

/** A request path of the distribution API (OCI distribution-spec, "Endpoints"), parsed. */
export type RegistryRoute =
  | { readonly kind: 'base' }
  | { readonly kind: 'catalog' }
  | { readonly kind: 'manifest'; readonly path: string; readonly reference: ManifestReference }
  | { readonly kind: 'blob'; readonly path: string; readonly digest: Digest }
  | { readonly kind: 'uploads'; readonly path: string }
  | { readonly kind: 'upload'; readonly path: string; readonly session: string }
  | { readonly kind: 'tags'; readonly path: string }
  | { readonly kind: 'referrers'; readonly path: string; readonly digest: Digest };

// A name may hold `manifests` or `blobs` as a component, so the suffix is matched from the right.
const SUFFIX =
  /^(.+)\/(?:(manifests|blobs|referrers)\/([^/]+)|(blobs\/uploads)\/([^/]*)|(tags\/list))$/;
const CHARACTERS = /^[A-Za-z0-9._~:/=+-]*$/;
const SESSION = /^[A-Za-z0-9._~=+-]{1,512}$/;

/**
 * Parses the raw path of a request (no query) in its one canonical spelling. Percent-encoding, empty
 * and dotted segments, other characters: refused with PATH_INVALID, never normalised, so that the
 * gate and what stands behind it cannot read two different things (T-29, T-30).
 */
export function parseRegistryPath(path: string): Result<RegistryRoute> {
  if (path === '/v2/' || path === '/v2') return ok({ kind: 'base' });
  if (path === '/v2/_catalog') return ok({ kind: 'catalog' });
  if (!path.startsWith('/v2/')) return refuse('NOT_FOUND', 'expected a path under /v2/');
  if (!CHARACTERS.test(path) || path.length > 1024) {
    return refuse('PATH_INVALID', 'expected a path without percent-encoding or special characters');
  }
  if (/\/\/|\/\.\.?(?:\/|$)/.test(path)) {
    return refuse('PATH_INVALID', 'expected a path without empty or dotted segments');
  }
  // No component of a name begins with `_` (distribution-spec, "Extensions"): `/v2/_oci/…`, `/v2/_zot/…`.
  if (/\/_[^/]+\/./.test(path)) {
    return refuse('EXTENSION_UNKNOWN', 'extensions of the registry are not served by this gate');
  }
  const match = SUFFIX.exec(path.slice('/v2/'.length));
  if (match === null) return refuse('NOT_FOUND', 'expected a path of the distribution API');
  const [, name = '', kind, last = '', uploads, session = ''] = match;
  if (!isPath(name))
    return refuse('NAME_INVALID', `expected a repository name, found ${quote(name)}`);
  if (uploads !== undefined) {
    if (session === '') return ok({ kind: 'uploads', path: name });
    return SESSION.test(session)
      ? ok({ kind: 'upload', path: name, session })
      : refuse('BLOB_UPLOAD_UNKNOWN', 'no such upload');
  }
  if (kind === undefined) return ok({ kind: 'tags', path: name });
  if (kind === 'manifests' && !last.includes(':')) {
    if (!isTag(last)) return refuse('TAG_INVALID', `expected a tag, found ${quote(last)}`);
    return ok({ kind: 'manifest', path: name, reference: { tag: last } });
  }
  // `/blobs/uploads` without its slash is a session start in clients' sloppy spelling: not accepted.
  const digest = parseDigest(last);
  if (!digest.ok) return digest;
  if (kind === 'manifests')
    return ok({ kind: 'manifest', path: name, reference: { digest: digest.value } });
  return ok({ kind: kind === 'blobs' ? 'blob' : 'referrers', path: name, digest: digest.value });
}
