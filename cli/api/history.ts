import { CountersignError } from '../../src/lib/errors.ts';
import type { JsonObject } from '../../src/lib/json.ts';
import { isArray, isCount, isObject } from '../../src/lib/json.ts';
import type { RegistryClient } from '../../src/oci/client.ts';
import { apiObject, malformed } from './answer.ts';

/** A page of the record as the service sent it. */
export interface ShownPage {
  readonly events: readonly JsonObject[];
  /** The `before` of the next page; `null` on the last. */
  readonly next: number | null;
}

/** Asks the Countersign that the client talks to for its record. Throws UPSTREAM_INVALID where none serves the host, and what the client throws. */
export async function askHistory(
  client: RegistryClient,
  query: Readonly<Record<string, string>>,
): Promise<ShownPage> {
  const path = `/api/v1/history?${new URLSearchParams(query).toString()}`;
  const body = apiObject(await client.api('GET', path));
  if (body === null) {
    throw new CountersignError(
      'UPSTREAM_INVALID',
      `expected a Countersign on ${client.host}, found none; name it with --server`,
    );
  }
  const { events, next } = body;
  if (!isArray(events) || !events.every(isObject)) throw malformed('a list of events');
  if (next !== null && !isCount(next)) throw malformed('where the next page begins');
  return { events, next };
}
