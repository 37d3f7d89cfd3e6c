import type { Dispatcher } from 'undici';
import { CountersignError } from '../../lib/errors.ts';
import { isArray, isObject, parseJson } from '../../lib/json.ts';
import { LIMITS } from '../../lib/limits.ts';
import type { Digest } from '../../oci/digest.ts';
import type { Descriptor } from '../../oci/manifest.ts';
import { MEDIA } from '../../oci/media-types.ts';
import { nextLink } from '../../oci/name-list.ts';
import { isTag } from '../../oci/reference.ts';
import type { ReferrerList } from '../../oci/referrers.ts';
import { isNoReferrersApi, parseReferrers } from '../../oci/referrers.ts';
import type { Caller } from '../access/caller.ts';
import { header, ownPath, readBounded, unavailable } from './answer.ts';
import type { Wire } from './wire.ts';

/** The first tags of a repository; see {@link Upstream.tags}. */
export async function listTags(
  wire: Wire,
  path: string,
  limit: number,
  caller: Caller,
): Promise<readonly string[]> {
  const response = await wire.ask({
    method: 'GET',
    path: `/v2/${path}/tags/list?n=${limit}`,
    caller,
  });
  if (response.statusCode === 404) {
    await response.body.dump();
    return [];
  }
  if (response.statusCode !== 200) {
    await response.body.dump();
    throw unavailable(`answered ${response.statusCode} for a list of tags`);
  }
  const json = parseJson(await readBounded(response.body, LIMITS.manifestBytes), {
    maxBytes: LIMITS.manifestBytes,
  });
  const tags = json.ok && isObject(json.value) ? json.value['tags'] : undefined;
  if (!isArray(tags)) return [];
  return tags.filter((tag): tag is string => typeof tag === 'string' && isTag(tag)).slice(0, limit);
}

/** The referrers of a digest; see {@link Upstream.referrers}. */
export async function listReferrers(
  wire: Wire,
  path: string,
  digest: Digest,
  caller: Caller,
): Promise<ReferrerList | null> {
  const descriptors: Descriptor[] = [];
  const asked = new Set<string>();
  let next: string | null = `/v2/${path}/referrers/${digest}`;
  while (next !== null) {
    // T-60: pages that lead back, or never end, end here.
    if (asked.has(next) || asked.size === LIMITS.referrerPages)
      return { descriptors, complete: false };
    const response: Dispatcher.ResponseData = await wire.ask({
      method: 'GET',
      path: next,
      headers: { accept: MEDIA.ociIndex },
      caller,
    });
    const first = asked.size === 0;
    asked.add(next);
    const page: readonly Descriptor[] | null = await readReferrers(response, first);
    if (page === null) return null;
    descriptors.push(...page);
    if (descriptors.length > LIMITS.referrers)
      return { descriptors: descriptors.slice(0, LIMITS.referrers), complete: false };
    const link = nextLink(header(response, 'link'));
    if (link === undefined) break;
    next = ownPath(link, `${wire.origin}${next}`);
    if (next === null)
      throw new CountersignError(
        'UPSTREAM_INVALID',
        'expected pages of referrers on the origin of the registry, found another host',
      );
  }
  return { descriptors, complete: true };
}

/** One page; `null` where the registry says with the first one that it has no such API. */
async function readReferrers(
  response: Dispatcher.ResponseData,
  first: boolean,
): Promise<readonly Descriptor[] | null> {
  const { statusCode } = response;
  if (first && isNoReferrersApi(statusCode, header(response, 'content-type'))) {
    await response.body.dump();
    return null;
  }
  if (statusCode !== 200) {
    await response.body.dump();
    throw unavailable(`answered ${statusCode} for a list of referrers`);
  }
  const parsed = parseReferrers(await readBounded(response.body, LIMITS.manifestBytes));
  if (parsed.ok) return parsed.value;
  throw new CountersignError('UPSTREAM_INVALID', parsed.refusal.message);
}
