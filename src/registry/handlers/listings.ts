import type { Digest } from '../../oci/digest.ts';
import { isDigest } from '../../oci/digest.ts';
import { MEDIA } from '../../oci/media-types.ts';
import type { Answer } from '../answer.ts';
import { errorAnswer, jsonAnswer, refusalAnswer } from '../answer.ts';
import { listRepositories } from '../catalog.ts';
import type { PageQuery } from '../../oci/paging.ts';
import { pageLink, parsePage } from '../../oci/paging.ts';
import { compareTags } from '../tags.ts';
import type { Exchange } from './exchange.ts';

/** GET /v2/ (end-1). */
export async function getBase(): Promise<Answer> {
  return jsonAnswer('{}');
}

/** GET of a repository's tags (end-8a, 8b). */
export async function getTags(
  { stores, query }: Exchange,
  { path }: { readonly path: string },
): Promise<Answer> {
  const page = parsePage(query);
  if (!page.ok) return refusalAnswer(page.refusal);
  if (!(await stores.manifests.hasRepository(path)))
    return errorAnswer('NAME_UNKNOWN', `repository ${path} has no manifests`);
  const { n, last } = page.value;
  const all = await stores.tags.list(path);
  const rest = last === undefined ? all : all.filter((tag) => compareTags(tag, last) > 0);
  const tags = rest.slice(0, n);
  return jsonAnswer(
    JSON.stringify({ name: path, tags }),
    link(`/v2/${path}/tags/list`, page.value, tags, rest),
  );
}

/** GET /v2/_catalog: the names of all repositories. */
export async function getCatalog({ stores, query }: Exchange): Promise<Answer> {
  const page = parsePage(query);
  if (!page.ok) return refusalAnswer(page.refusal);
  const rest = await listRepositories(stores.repositories, page.value);
  const repositories = rest.slice(0, page.value.n);
  return jsonAnswer(
    JSON.stringify({ repositories }),
    link('/v2/_catalog', page.value, repositories, rest),
  );
}

/** GET of a subject's referrers (end-12a, 12b): an index, empty where there are none, never 404. */
export async function getReferrers(
  { stores, query }: Exchange,
  { path, subject }: { readonly path: string; readonly subject: Digest },
): Promise<Answer> {
  const artifactType = query.get('artifactType') ?? undefined;
  const last = query.get('last') ?? undefined;
  if (last !== undefined && !isDigest(last))
    return errorAnswer('PAGINATION_INVALID', 'expected "last" to be a digest');
  const page = await stores.referrers.list(path, subject, { artifactType, last });
  const type = artifactType === undefined ? {} : { artifactType };
  return jsonAnswer(
    `{"schemaVersion":2,"mediaType":"${MEDIA.ociIndex}","manifests":[${page.descriptors.join(',')}]}`,
    {
      'Content-Type': MEDIA.ociIndex,
      ...(artifactType === undefined ? {} : { 'OCI-Filters-Applied': 'artifactType' }),
      ...(page.next === undefined
        ? {}
        : { Link: pageLink(`/v2/${path}/referrers/${subject}`, { ...type, last: page.next }) }),
    },
  );
}

function link(
  path: string,
  { n }: PageQuery,
  shown: readonly string[],
  rest: readonly string[],
): Readonly<Record<string, string>> {
  const last = shown.at(-1);
  if (last === undefined || rest.length <= shown.length) return {};
  return { Link: pageLink(path, { last, n: String(n) }) };
}
