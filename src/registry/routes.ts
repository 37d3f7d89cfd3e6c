import { quote } from '../lib/quote.ts';
import type { Result } from '../lib/result.ts';
import { ok, refuse } from '../lib/result.ts';
import type { Digest } from '../oci/digest.ts';
import { parseDigest } from '../oci/digest.ts';
import { isPath, isTag } from '../oci/reference.ts';

/** What a request target names (distribution-spec 1.1, "Endpoints"). */
export type Route =
  | { readonly kind: 'base' }
  | { readonly kind: 'catalog' }
  | { readonly kind: 'blob'; readonly path: string; readonly digest: Digest }
  | { readonly kind: 'uploads'; readonly path: string }
  | { readonly kind: 'upload'; readonly path: string; readonly id: string }
  | { readonly kind: 'manifest'; readonly path: string; readonly reference: Digest | string }
  | { readonly kind: 'tags'; readonly path: string }
  | { readonly kind: 'referrers'; readonly path: string; readonly subject: Digest };

/** A request target that was read: the endpoint and its query. */
export interface Target {
  readonly route: Route;
  readonly query: URLSearchParams;
}

/** The longest request target: a name of 255, a digest and some tags fit many times. */
const MAX_TARGET = 8192;

/**
 * Reads a raw request target. There is one spelling of each path: percent-encoding, doubled slashes,
 * dots as segments, an absolute form, a fragment are refused, so that this registry and whatever stands
 * before it never see two different names in one request. The route is told by the last segments, for a
 * repository may itself be called `manifests` or `blobs/uploads`.
 */
export function parseTarget(raw: string): Result<Target> {
  if (raw.length > MAX_TARGET)
    return refuse('PATH_INVALID', `expected a path of at most ${MAX_TARGET} characters`);
  const mark = raw.indexOf('?');
  const path = mark < 0 ? raw : raw.slice(0, mark);
  if (!/^\/[A-Za-z0-9._:/+=-]*$/.test(path))
    return refuse('PATH_INVALID', 'expected a path without percent-encoding or other characters');
  const route = parsePath(path);
  if (!route.ok) return route;
  const query = new URLSearchParams(mark < 0 ? '' : raw.slice(mark + 1));
  for (const name of SINGLE) {
    if (query.getAll(name).length > 1)
      return refuse('REQUEST_INVALID', `expected one "${name}" in the query, found several`);
  }
  return ok({ route: route.value, query });
}

// A parameter given twice could mean one thing here and another to whoever checked the request before.
const SINGLE = ['digest', 'mount', 'from', 'digest-algorithm', 'n', 'last', 'artifactType'];

function parsePath(path: string): Result<Route> {
  if (path === '/v2/') return ok({ kind: 'base' });
  if (path === '/v2/_catalog') return ok({ kind: 'catalog' });
  const segments = path.split('/');
  if (segments[1] !== 'v2' || segments.length < 5)
    return refuse('NOT_FOUND', 'there is nothing at this path');
  const last = segments.at(-1) ?? '';
  const word = segments.at(-2) ?? '';
  if (word === 'uploads' && segments.at(-3) === 'blobs') return uploadRoute(segments, last);
  const name = segments.slice(2, -2).join('/');
  switch (word) {
    case 'blobs':
      return withName(name, () => {
        const digest = parseDigest(last);
        return digest.ok ? ok({ kind: 'blob', path: name, digest: digest.value }) : digest;
      });
    case 'manifests':
      return withName(name, () => {
        const reference = parseReferencePart(last);
        return reference.ok
          ? ok({ kind: 'manifest', path: name, reference: reference.value })
          : reference;
      });
    case 'referrers':
      return withName(name, () => {
        const subject = parseDigest(last);
        return subject.ok ? ok({ kind: 'referrers', path: name, subject: subject.value }) : subject;
      });
    case 'tags':
      if (last === 'list') return withName(name, () => ok({ kind: 'tags', path: name }));
      break;
    default:
  }
  return refuse('NOT_FOUND', 'there is nothing at this path');
}

function uploadRoute(segments: readonly string[], id: string): Result<Route> {
  const name = segments.slice(2, -3).join('/');
  return withName(name, () => {
    if (id === '') return ok({ kind: 'uploads', path: name });
    if (!/^[0-9a-f]{32}$/.test(id))
      return refuse('BLOB_UPLOAD_UNKNOWN', 'there is no such upload; start a new one');
    return ok({ kind: 'upload', path: name, id });
  });
}

function withName(name: string, rest: () => Result<Route>): Result<Route> {
  if (isPath(name)) return rest();
  return refuse(
    'NAME_INVALID',
    `expected a repository name of lower-case letters, digits and . _ - /, found ${quote(name)}`,
  );
}

/** Reads the last part of a manifest path: with a colon it must be a digest, without one a tag. */
function parseReferencePart(text: string): Result<Digest | string> {
  if (text.includes(':')) return parseDigest(text);
  if (isTag(text)) return ok(text);
  return refuse('TAG_INVALID', `expected a tag, found ${quote(text, 140)}`);
}
