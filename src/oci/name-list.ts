import { CountersignError } from '../lib/errors.ts';
import { isArray, isObject, parseJson } from '../lib/json.ts';
import type { Exchange, Located } from './exchange.ts';
import { resolveLocation } from './origin.ts';
import { refusalOf } from './refusal.ts';

const PAGE_BYTES = 8 * 1024 * 1024;
const MAX_PAGES = 1000;
const MAX_NAMES = 200_000;

/** A list of names that a registry gives page by page: tags, or repositories. */
export interface NameList {
  /** The first page's path, without a query. */
  readonly target: string;
  readonly scopes: readonly string[];
  /** The member of the answer that holds the names. */
  readonly member: 'tags' | 'repositories';
  /** Names that are none of the grammar are left out. */
  accepts(name: string): boolean;
}

/**
 * Reads a list to its end (distribution-spec, "Listing Tags"; a registry may ignore `n` and send all
 * at once). `null` where the registry answers 404. Throws UPSTREAM_INVALID where the list has no end,
 * so that a cut list never passes for a whole one.
 */
export async function listNames(
  exchange: Exchange,
  list: NameList,
): Promise<readonly string[] | null> {
  const names: string[] = [];
  let next: string | URL | undefined = `${list.target}?n=1000`;
  for (let pages = 0; next !== undefined; pages++) {
    if (pages === MAX_PAGES || names.length > MAX_NAMES)
      throw invalid(`a list of ${list.member} that ends`);
    const page: Page | null = await exchange.request(
      { method: 'GET', target: next, scopes: list.scopes, idempotent: true },
      (answer) => readPage(answer, list),
    );
    if (page === null) {
      if (pages === 0) return null;
      throw invalid(`a further page of ${list.member}`);
    }
    for (const name of page.names) names.push(name);
    next = page.next;
  }
  return names;
}

interface Page {
  readonly names: readonly string[];
  readonly next: URL | undefined;
}

async function readPage(answer: Located, list: NameList): Promise<Page | null> {
  const { member } = list;
  if (answer.status === 404) {
    await answer.drain();
    return null;
  }
  if (answer.status !== 200) throw await refusalOf(answer, `listing ${member}`);
  const link = nextLink(answer.header('link'));
  const parsed = parseJson(await answer.read(PAGE_BYTES), { maxBytes: PAGE_BYTES });
  const found = parsed.ok && isObject(parsed.value) ? parsed.value[member] : undefined;
  // Go registries write null for an empty list.
  const names = found === null ? [] : found;
  if (!isArray(names) || !names.every((name) => typeof name === 'string'))
    throw invalid(`a list of ${member}`);
  const next = link === undefined ? undefined : resolveLocation(link, answer.url);
  if (next !== undefined && next.origin !== answer.url.origin) throw invalid('pages of one origin');
  return { names: (names as readonly string[]).filter((name) => list.accepts(name)), next };
}

/** The target of a Link header that names the next page (RFC 8288); `undefined` where there is none. */
export function nextLink(header: string | undefined): string | undefined {
  return /<([^<>]{1,4096})>\s*;\s*rel="?next"?/.exec(header ?? '')?.[1];
}

function invalid(expected: string): CountersignError {
  return new CountersignError('UPSTREAM_INVALID', `expected ${expected}, found something else`);
}
