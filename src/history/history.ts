import type { JsonObject } from '../lib/json.ts';
import { quote } from '../lib/quote.ts';
import type { Result } from '../lib/result.ts';
import { ok, refuse } from '../lib/result.ts';
import { parseEventType } from '../log/event-types.ts';
import type { Reference } from '../oci/reference.ts';
import type { EventQuery, Store, StoredEvent } from '../store/store.ts';

/** What a history query may say besides the image, as text: `before`, `limit`, `type`, `log`, `index`. */
export type HistoryParameters = Readonly<Record<string, string | undefined>>;

/** An event as the API shows it; `time` is RFC 3339, `index` is what messages call "record" where `log` is `dec`. */
export interface HistoryEvent {
  readonly sequence: number;
  readonly log: string;
  readonly index: number;
  readonly time: string;
  readonly type: string;
  readonly repository: string | null;
  readonly tag: string | null;
  readonly digest: string | null;
  readonly actor: string;
  readonly data: JsonObject;
}

/** One page, newest first; `next` is the `before` of the page after it, `null` on the last. */
export interface HistoryPage {
  readonly events: readonly HistoryEvent[];
  readonly next: number | null;
}

/** Events of a page where the query says nothing, and at most. */
const PAGE = 100;
const MAX_PAGE = 1000;

/**
 * Reads a history query. `image` is the image that it is about, already resolved to one of ours;
 * `null` asks for every event: whether the caller may is the caller's caller's to know. A digest
 * beats a tag. Refuses with PAGINATION_INVALID or REQUEST_INVALID.
 */
export function parseHistoryQuery(
  image: Pick<Reference, 'repository' | 'tag' | 'digest'> | null,
  parameters: HistoryParameters,
): Result<EventQuery> {
  const limit = numberOf(parameters, 'limit', MAX_PAGE);
  if (!limit.ok) return limit;
  if (limit.value === 0)
    return refuse('PAGINATION_INVALID', 'expected "limit" to be 1 or more, found 0');
  const before = numberOf(parameters, 'before', Number.MAX_SAFE_INTEGER);
  if (!before.ok) return before;
  const index = numberOf(parameters, 'index', Number.MAX_SAFE_INTEGER);
  if (!index.ok) return index;
  const { log, type } = parameters;
  if (log !== undefined && log !== 'sig' && log !== 'dec')
    return refuse('REQUEST_INVALID', `expected "log" to be sig or dec, found ${quote(log)}`);
  if (index.value !== undefined && log === undefined)
    return refuse('REQUEST_INVALID', 'expected "log" with "index": each log has its own numbers');
  const known = type === undefined ? ok(undefined) : parseEventType(type);
  if (!known.ok) return known;
  return ok({
    limit: limit.value ?? PAGE,
    ...(image === null ? {} : { repository: image.repository }),
    ...(image?.digest === undefined ? {} : { digest: image.digest }),
    ...(image?.tag === undefined || image.digest !== undefined ? {} : { tag: image.tag }),
    ...(before.value === undefined ? {} : { before: before.value }),
    ...(index.value === undefined ? {} : { index: index.value }),
    ...(log === undefined ? {} : { log }),
    ...(known.value === undefined ? {} : { type: known.value }),
  });
}

function numberOf(
  parameters: HistoryParameters,
  name: string,
  most: number,
): Result<number | undefined> {
  const text = parameters[name];
  if (text === undefined) return ok(undefined);
  const value = Number(text);
  if (/^[0-9]{1,16}$/.test(text) && value <= most) return ok(value);
  return refuse(
    'PAGINATION_INVALID',
    `expected "${name}" to be a number up to ${most}, found ${quote(text)}`,
  );
}

/** One page of the record. Throws what the store throws. */
export async function readHistory(
  store: Pick<Store, 'events'>,
  query: EventQuery,
): Promise<HistoryPage> {
  const events = await store.events(query);
  const last = events.at(-1);
  const more = last !== undefined && events.length === query.limit && last.sequence > 1;
  return { events: events.map(historyEvent), next: more ? last.sequence : null };
}

function historyEvent(event: StoredEvent): HistoryEvent {
  const { sequence, log, index, type, repository, tag, digest, actor, data } = event;
  const time = new Date(event.time).toISOString();
  return { sequence, log, index, time, type, repository, tag, digest, actor, data };
}
