import type { Result } from '../../lib/result.ts';
import { ok, refuse as refusal } from '../../lib/result.ts';
import type { Repository } from '../../oci/reference.ts';
import type { TrustChange } from '../../store/trust-data.ts';
import type { HttpPorts } from '../ports.ts';
import type { NotaryRequest } from './notary-request.ts';
import { fail, sendFound } from './notary-request.ts';

/** Records of one page, at most; a consumer of more goes on from the last id. */
const MOST = 1000;
const USUAL = 100;
const INT32 = 2 ** 31 - 1;

/** Which part of the feed is asked for. */
export interface FeedQuery {
  readonly limit: number;
  readonly after?: number;
  /** `null`: from the very end. */
  readonly before?: number | null;
}

/** Serves the feed of changes, of one repository or (`null`) of all, oldest first (dct-protocol 1.5). */
export async function changefeed(
  ports: HttpPorts,
  r: NotaryRequest,
  repository: Repository | null,
): Promise<void> {
  const query = parseFeedQuery(r.query);
  if (!query.ok) return fail(r, 'INVALID_PARAMETERS', query.refusal.message);
  const changes = await ports.notary.changes({ repository, ...query.value });
  const body = { count: changes.length, records: changes.map(recordOf) };
  sendFound(r, Buffer.from(JSON.stringify(body)), { 'cache-control': 'no-store' });
}

/** Reads `records` and `change_id` (dct-protocol 1.5): a positive count goes forward, a negative one or a negative id back. */
export function parseFeedQuery(query: string): Result<FeedQuery> {
  const given = new URLSearchParams(query);
  const records = integer(given.getAll('records'));
  if (records === undefined)
    return refusal('REQUEST_INVALID', 'expected "records" to be an integer of 32 bits');
  const ids = given.getAll('change_id');
  const id = ids.length === 0 || ids[0] === '' ? 0 : integer(ids);
  if (id === undefined)
    return refusal('REQUEST_INVALID', 'expected "change_id" to be an integer of 32 bits');
  const limit = Math.min(records === 0 ? USUAL : Math.abs(records), MOST);
  if (records >= 0 && id >= 0) return ok({ limit, after: id });
  return ok({ limit, before: id > 0 ? id : null });
}

function integer(values: readonly string[]): number | undefined {
  const [text = '', second] = values;
  if (second !== undefined || !/^-?[0-9]{1,10}$/.test(text)) return undefined;
  const value = Number(text);
  return Math.abs(value) <= INT32 ? value : undefined;
}

/** A record with Notary's own member names. */
function recordOf({ id, time, repository, version, sha256, category }: TrustChange): object {
  return {
    ID: String(id),
    CreatedAt: new Date(time).toISOString(),
    GUN: repository,
    Version: version,
    SHA256: sha256,
    Category: category,
  };
}
