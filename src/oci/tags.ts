import { CountersignError } from '../lib/errors.ts';
import { isArray, isObject, parseJson } from '../lib/json.ts';
import type { Exchange, Located } from './exchange.ts';
import { resolveLocation } from './origin.ts';
import { isTag } from './reference.ts';
import { refusalOf } from './refusal.ts';

const PAGE_BYTES = 8 * 1024 * 1024;
const MAX_PAGES = 1000;
const MAX_TAGS = 200_000;

/**
 * Reads a repository's tag list, page by page (distribution-spec, "Listing Tags"). A repository that
 * the registry does not know has none. Throws UPSTREAM_INVALID where the list has no end, so that a
 * cut list never passes for a whole one.
 */
export async function listTags(exchange: Exchange, target: string): Promise<readonly string[]> {
  const scopes = [`repository:${target.slice('/v2/'.length, -'/tags/list'.length)}:pull`];
  const tags: string[] = [];
  let next: string | URL | undefined = `${target}?n=1000`;
  for (let pages = 0; next !== undefined; pages++) {
    if (pages === MAX_PAGES || tags.length > MAX_TAGS) throw invalid('a tag list that ends');
    const page: { tags: string[]; next: URL | undefined } = await exchange.request(
      { method: 'GET', target: next, scopes, idempotent: true },
      readPage,
    );
    tags.push(...page.tags);
    next = page.next;
  }
  return tags;
}

async function readPage(answer: Located): Promise<{ tags: string[]; next: URL | undefined }> {
  if (answer.status === 404) {
    await answer.drain();
    return { tags: [], next: undefined };
  }
  if (answer.status !== 200) throw await refusalOf(answer, 'listing tags');
  const link = nextLink(answer.header('link'));
  const parsed = parseJson(await answer.read(PAGE_BYTES), { maxBytes: PAGE_BYTES });
  const list = parsed.ok && isObject(parsed.value) ? parsed.value['tags'] : undefined;
  // Go registries write null for an empty list.
  const tags = list === null ? [] : list;
  if (!isArray(tags) || !tags.every((tag) => typeof tag === 'string'))
    throw invalid('a list of tags');
  const next = link === undefined ? undefined : resolveLocation(link, answer.url);
  if (next !== undefined && next.origin !== answer.url.origin) throw invalid('pages of one origin');
  return { tags: (tags as readonly string[]).filter(isTag), next };
}

/** The target of a Link header that names the next page (RFC 8288); `undefined` where there is none. */
export function nextLink(header: string | undefined): string | undefined {
  return /<([^<>]{1,4096})>\s*;\s*rel="?next"?/.exec(header ?? '')?.[1];
}

function invalid(expected: string): CountersignError {
  return new CountersignError('UPSTREAM_INVALID', `expected ${expected}, found something else`);
}
