import type { Result } from '../lib/result.ts';
import { ok, refuse } from '../lib/result.ts';

/** Most entries in one answer, whatever the client asks for (CVE-2023-2253: `n` taken as it came). */
export const PAGE_LIMIT = 1000;

/** Which entries of a list are asked for. */
export interface PageQuery {
  /** How many; `PAGE_LIMIT` at most. */
  readonly n: number;
  /** The entries after this one, which itself need not exist. */
  readonly last: string | undefined;
}

/** Reads `n` and `last` (distribution-spec 1.1, "Listing Tags"). A larger `n` than the limit gets the limit and a Link. */
export function parsePage(query: URLSearchParams): Result<PageQuery> {
  const n = query.get('n') ?? '';
  if (!/^[0-9]{0,15}$/.test(n))
    return refuse('PAGINATION_INVALID', 'expected "n" to be a whole number');
  const last = query.get('last') ?? '';
  if (last.length > 255)
    return refuse('PAGINATION_INVALID', 'expected "last" to be a name of at most 255 characters');
  return ok({
    n: n === '' ? PAGE_LIMIT : Math.min(Number(n), PAGE_LIMIT),
    last: last === '' ? undefined : last,
  });
}

/** The `Link` header to the next page (RFC 8288), relative so that it is right behind any proxy. */
export function pageLink(path: string, query: Readonly<Record<string, string>>): string {
  return `<${path}?${new URLSearchParams(query).toString()}>; rel="next"`;
}
