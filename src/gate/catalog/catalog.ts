import { isArray, isObject, parseJson } from '../../lib/json.ts';
import { LIMITS } from '../../lib/limits.ts';
import { nextLink } from '../../oci/name-list.ts';
import type { PageQuery } from '../../oci/paging.ts';
import { isPath } from '../../oci/reference.ts';
import type { Caller } from '../access/caller.ts';
import type { Gate } from '../gate.ts';
import type { Refused } from '../outcome.ts';
import { refused, refusedByFailure } from '../outcome.ts';
import type { GateRegistry } from '../ports.ts';
import { header, ownPath, readBounded, relayed, unavailable } from '../upstream/answer.ts';
import type { Relayed } from '../upstream/upstream.ts';
import { Cursors } from './cursor.ts';

const PAGE_BYTES = 8 * 1024 * 1024;
const cursors = new Cursors();

/** Which part of the catalog is asked for: after a name, or from the mark of an earlier answer on. */
export type CatalogQuery = PageQuery & { readonly mark: string | null };

/** One page of the repositories that a caller may pull. */
export interface CatalogPage {
  readonly kind: 'page';
  readonly repositories: readonly string[];
  /** Parameters of the next page beside `n`; `null` where there is nothing more for this caller. */
  readonly next: Readonly<Record<string, string>> | null;
}

/**
 * The repositories that the access rules let the caller pull, in upstream's order. Neither names nor
 * numbers of others show: pages are filled from as many of upstream's as it takes, and end where the
 * caller's repositories do. At most LIMITS.catalogRequests are asked of upstream for one answer; a
 * page that is short for that reason goes on at a sealed mark (T-68). Never throws.
 */
export async function catalogPage(
  gate: Gate,
  registry: GateRegistry,
  caller: Caller,
  query: CatalogQuery,
): Promise<CatalogPage | Refused | Relayed> {
  const reader = `${registry.host}\n${caller.name}`;
  let at = placeOf(query, reader);
  if (at === null)
    return refused(
      'PAGINATION_INVALID',
      'expected the mark of a page that is still known; start again',
    );
  const none = { kind: 'page', repositories: [], next: null } as const;
  if (query.n === 0 || !gate.ports.access.mayAnywhere(caller, 'pull')) return none;
  const found: string[] = [];
  try {
    for (let asked = 0; asked < LIMITS.catalogRequests; asked++) {
      const page = await upstreamPage(registry, caller, at);
      if (page.kind !== 'names') return page;
      for (const name of after(page.names, asked === 0 ? query.last : undefined)) {
        if (!gate.ports.access.may(caller, 'pull', `${registry.host}/${name}`)) continue;
        // One more than asked for: only then is there a next page.
        if (found.length === query.n)
          return { kind: 'page', repositories: found, next: { last: found.at(-1) ?? '' } };
        found.push(name);
      }
      if (page.next === null) return { kind: 'page', repositories: found, next: null };
      at = page.next;
    }
    const mark = cursors.mark(at, reader);
    if (mark === null) throw unavailable('answered a Link of more than 1023 bytes');
    return { kind: 'page', repositories: found, next: { next: mark } };
  } catch (error) {
    gate.ports.log.warn({ host: registry.host, error }, 'the catalog could not be read');
    return refusedByFailure(error);
  }
}

/** The path of upstream to begin with; `null` for a mark that is none. */
function placeOf({ last, mark }: CatalogQuery, reader: string): string | null {
  if (mark !== null) return cursors.place(mark, reader);
  const query = new URLSearchParams({ n: '1000', ...(last === undefined ? {} : { last }) });
  return `/v2/_catalog?${query.toString()}`;
}

/** What follows a name; registries exist that answer `last` with that name, or do not know it. */
function after(names: readonly string[], last: string | undefined): readonly string[] {
  return last === undefined ? names : names.slice(names.indexOf(last) + 1);
}

type UpstreamPage = {
  readonly kind: 'names';
  readonly names: readonly string[];
  readonly next: string | null;
};

async function upstreamPage(
  registry: GateRegistry,
  caller: Caller,
  path: string,
): Promise<UpstreamPage | Refused | Relayed> {
  const { upstream } = registry;
  const answer = await upstream.exchange(
    {
      method: 'GET',
      path,
      headers: { 'accept-encoding': 'identity' },
      signal: AbortSignal.timeout(30_000),
    },
    caller,
  );
  if (answer.statusCode === 429) return relayed(answer);
  if (answer.statusCode === 404 || answer.statusCode === 405) {
    await answer.body.dump();
    return refused('UNSUPPORTED', 'the registry behind the gate has no list of its repositories');
  }
  if (answer.statusCode !== 200) {
    await answer.body.dump();
    throw unavailable(`answered ${answer.statusCode} for the list of repositories`);
  }
  const json = parseJson(await readBounded(answer.body, PAGE_BYTES), { maxBytes: PAGE_BYTES });
  const names = json.ok && isObject(json.value) ? json.value['repositories'] : undefined;
  if (names !== null && !isArray(names))
    throw unavailable('answered something else than a list of repositories');
  const link = nextLink(header(answer, 'link'));
  const next = link === undefined ? null : ownPath(link, `${upstream.origin}${path}`);
  if (link !== undefined && next === null) throw unavailable('answered a Link to another host');
  return { kind: 'names', names: (names ?? []).filter(isRepository), next };
}

const isRepository = (name: unknown): name is string => typeof name === 'string' && isPath(name);
