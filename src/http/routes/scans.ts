import { randomUUID } from 'node:crypto';
import { refused } from '../../gate/outcome.ts';
import type { Refused } from '../../gate/outcome.ts';
import type { Json } from '../../lib/json.ts';
import { isArray, isCount, isObject } from '../../lib/json.ts';
import { quote } from '../../lib/quote.ts';
import { SCAN_COUNTS, scanned } from '../../log/scan-event.ts';
import type { ScanCounts } from '../../log/scan-event.ts';
import { parseHost } from '../../oci/reference.ts';
import type { ApiAnswer, ApiRequest } from './api-request.ts';
import { imageOf } from './api-request.ts';

const KEYS = ['repositories', 'counts', 'complete'];
/** Names that one event spells out: 12 KiB of data must hold them. */
const NAMES = 32;

/**
 * `POST /api/v1/scans`: an administrator has asked what the gate would decide on whole repositories,
 * without a record of each answer; this one event says who did, and what came out.
 */
export async function scans({ ports, body, caller }: ApiRequest): Promise<ApiAnswer> {
  const unknown = Object.keys(body).find((key) => !KEYS.includes(key));
  if (unknown !== undefined)
    return refused('REQUEST_INVALID', `expected ${KEYS.join(', ')}; found ${quote(unknown, 40)}`);
  const { repositories, complete } = body;
  if (!isArray(repositories) || repositories.length === 0 || repositories.length > NAMES)
    return refused('REQUEST_INVALID', `expected "repositories" to be 1 to ${NAMES} names`);
  if (typeof complete !== 'boolean')
    return refused('REQUEST_INVALID', 'expected "complete" to be true or false');
  const counts = countsOf(body['counts']);
  if ('kind' in counts) return counts;
  const names: string[] = [];
  for (const one of repositories) {
    const name = administered({ ports, caller }, one);
    if (typeof name !== 'string') return name;
    names.push(name);
  }
  const event = scanned({ repositories: names, counts, complete }, caller.name, randomUUID());
  const { events } = await ports.gate.ports.store.commit([{ kind: 'event', event }]);
  return { kind: 'json', body: { record: events[0]?.index ?? null } };
}

/** The canonical name of a repository (or `HOST/**`) that the caller may administer. */
function administered(
  { ports, caller }: Pick<ApiRequest, 'ports' | 'caller'>,
  text: Json,
): string | Refused {
  const { access } = ports.gate.ports;
  const whole = typeof text === 'string' ? /^([^/]+)\/\*\*$/.exec(text)?.[1] : undefined;
  if (whole !== undefined) {
    const host = parseHost(whole);
    const registry = ports.registries.find(
      (one) => host.ok && (one.host === host.value || one.aliases.includes(host.value)),
    );
    if (registry === undefined)
      return refused(
        'REFERENCE_INVALID',
        `expected a registry of this service, found ${whole.slice(0, 80)}`,
      );
    if (!access.mayEverywhere(caller, 'admin', [registry.host]))
      return forbidden(caller.name, registry.host);
    return `${registry.host}/**`;
  }
  const image = imageOf(ports, text);
  if ('kind' in image) return image;
  const { repository, tag, digest } = image.reference;
  if (tag !== undefined || digest !== undefined)
    return refused('REQUEST_INVALID', 'expected repositories without tag or digest');
  if (!access.may(caller, 'admin', repository)) return forbidden(caller.name, repository);
  return repository;
}

function forbidden(who: string, where: string): Refused {
  return refused('FORBIDDEN', `${who} may not record a scan of ${where}; that needs admin`);
}

function countsOf(value: Json | undefined): ScanCounts | Refused {
  const given = isObject(value) ? value : {};
  const counts = SCAN_COUNTS.map((name) => [name, given[name]] as const);
  if (Object.keys(given).length !== counts.length || !counts.every(([, count]) => isCount(count)))
    return refused('REQUEST_INVALID', `expected "counts" of ${SCAN_COUNTS.join(', ')}`);
  return Object.fromEntries(counts) as ScanCounts;
}
