import { refused } from '../../gate/outcome.ts';
import type { EventQuery, StoredEvent } from '../../store/store.ts';
import type { ApiAnswer, ApiRequest } from './api-request.ts';
import { imageOf } from './api-request.ts';

/** `GET /api/v1/history`: events, newest first; of one image where the caller may pull it, of all for administrators. */
export async function history({ ports, query, caller }: ApiRequest): Promise<ApiAnswer> {
  const { access, store } = ports.gate.ports;
  const filter: { -readonly [K in keyof EventQuery]: EventQuery[K] } = { limit: 100 };
  if (query['image'] === undefined) {
    const hosts = ports.registries.map((one) => one.host);
    if (!access.mayEverywhere(caller, 'admin', hosts)) {
      return refused(
        'FORBIDDEN',
        `${caller.name} may not read the whole record; name an image, or ask for admin`,
      );
    }
  } else {
    const image = imageOf(ports, query['image']);
    if ('kind' in image) return image;
    const { repository, tag, digest } = image.reference;
    if (!access.may(caller, 'pull', repository)) {
      return refused('FORBIDDEN', `${caller.name} may not pull from ${repository}`);
    }
    filter.repository = repository;
    if (digest !== undefined) filter.digest = digest;
    else if (tag !== undefined) filter.tag = tag;
  }
  for (const [name, most] of [
    ['limit', 1000],
    ['before', Number.MAX_SAFE_INTEGER],
    ['index', Number.MAX_SAFE_INTEGER],
  ] as const) {
    const text = query[name];
    if (text === undefined) continue;
    const value = Number(text);
    if (!/^[0-9]{1,16}$/.test(text) || value > most || (name === 'limit' && value === 0)) {
      return refused('PAGINATION_INVALID', `expected "${name}" to be a number up to ${most}`);
    }
    filter[name] = value;
  }
  const { log, type } = query;
  if (log !== undefined) {
    if (log !== 'sig' && log !== 'dec')
      return refused('REQUEST_INVALID', 'expected "log" to be sig or dec');
    filter.log = log;
  }
  if (type !== undefined) filter.type = type.slice(0, 64);
  const events = await store.events(filter);
  const last = events.at(-1);
  const more = events.length === filter.limit && last !== undefined && last.sequence > 1;
  return {
    kind: 'json',
    body: { events: events.map(eventBody), next: more ? last.sequence : null },
  };
}

function eventBody(event: StoredEvent): object {
  const { sequence, log, index, type, repository, tag, digest, actor, data } = event;
  const time = new Date(event.time).toISOString();
  return { sequence, log, index, time, type, repository, tag, digest, actor, data };
}
