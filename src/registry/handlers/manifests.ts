import { LIMITS } from '../../lib/limits.ts';
import { quote } from '../../lib/quote.ts';
import type { Result } from '../../lib/result.ts';
import { ok, refuse } from '../../lib/result.ts';
import type { Digest } from '../../oci/digest.ts';
import { algorithmOf, digestOf, isDigest, shortDigest } from '../../oci/digest.ts';
import { parseManifest } from '../../oci/manifest.ts';
import { isTag } from '../../oci/reference.ts';
import type { Answer } from '../answer.ts';
import { errorAnswer, refusalAnswer } from '../answer.ts';
import { readBounded } from '../body.ts';
import type { Exchange } from './exchange.ts';

interface ManifestRoute {
  readonly path: string;
  readonly reference: Digest | string;
}

/** Tags in one push by digest (unreleased distribution-spec, end-7b). */
const MAX_TAGS = 50;

/** GET and HEAD of a manifest (end-3): the exact bytes as the type they were pushed as, whatever Accept says. */
export async function getManifest({ stores }: Exchange, route: ManifestRoute): Promise<Answer> {
  const stored = await stores.manifests.get(route.path, route.reference);
  if (stored === undefined) return unknown(route);
  return {
    status: 200,
    headers: { 'Content-Type': stored.mediaType, 'Docker-Content-Digest': stored.digest },
    body: stored.bytes,
  };
}

/** PUT of a manifest (end-7a), with `?tag=` also of tags beside a digest (end-7b). */
export async function putManifest(exchange: Exchange, route: ManifestRoute): Promise<Answer> {
  const { stores, request } = exchange;
  const tags = tagsOf(exchange.query, route.reference);
  if (!tags.ok) return refusalAnswer(tags.refusal);
  const bytes = await readBounded(request, LIMITS.manifestBytes);
  if (bytes === undefined)
    return errorAnswer('MANIFEST_TOO_LARGE', 'expected a manifest of at most 4 MiB');
  const digest = digestFor(bytes, route.reference);
  if (!digest.ok) return refusalAnswer(digest.refusal);
  const manifest = parseManifest(bytes, request.headers['content-type']);
  if (!manifest.ok) return refusalAnswer(manifest.refusal);
  const stored = await stores.manifests.put(route.path, {
    manifest: manifest.value,
    bytes,
    digest: digest.value,
    tags: tags.value,
  });
  if (!stored.ok) return refusalAnswer(stored.refusal);
  const subject = manifest.value.subject?.digest;
  return {
    status: 201,
    headers: {
      Location: `/v2/${route.path}/manifests/${digest.value}`,
      'Docker-Content-Digest': digest.value,
      ...(subject === undefined ? {} : { 'OCI-Subject': subject }),
      ...(isDigest(route.reference) && tags.value.length > 0 ? { 'OCI-Tag': tags.value } : {}),
    },
  };
}

/** DELETE (end-9): of a tag, or of a manifest with every tag that names it. */
export async function deleteManifest({ stores }: Exchange, route: ManifestRoute): Promise<Answer> {
  const { path, reference } = route;
  const removed = isDigest(reference)
    ? await stores.manifests.remove(path, reference)
    : await stores.manifests.removeTag(path, reference);
  return removed ? { status: 202 } : unknown(route);
}

const unknown = ({ path, reference }: ManifestRoute): Answer => {
  const name = isDigest(reference) ? shortDigest(reference) : `tag ${reference}`;
  return errorAnswer('MANIFEST_UNKNOWN', `${name} is not in ${path}`);
};

function tagsOf(query: URLSearchParams, reference: Digest | string): Result<readonly string[]> {
  const named = query.getAll('tag');
  if (!isDigest(reference)) {
    return named.length === 0
      ? ok([reference])
      : refuse('REQUEST_INVALID', 'expected "tag" parameters only in a push by digest');
  }
  if (named.length > MAX_TAGS)
    return refuse('REQUEST_INVALID', `expected at most ${MAX_TAGS} tags, found ${named.length}`);
  const wrong = named.find((tag) => !isTag(tag));
  if (wrong !== undefined)
    return refuse('TAG_INVALID', `expected a tag, found ${quote(wrong, 140)}`);
  return ok([...new Set(named)]);
}

function digestFor(bytes: Buffer, reference: Digest | string): Result<Digest> {
  if (!isDigest(reference)) return ok(digestOf(bytes));
  const digest = digestOf(bytes, algorithmOf(reference));
  if (digest === reference) return ok(digest);
  return refuse(
    'DIGEST_INVALID',
    `expected a manifest of ${shortDigest(reference)}, found one of ${shortDigest(digest)}`,
  );
}
