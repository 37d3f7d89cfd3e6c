import type { Refused } from '../../gate/outcome.ts';
import { refused } from '../../gate/outcome.ts';
import { trustRepository } from '../../history/trust-repositories.ts';
import { mapParallel } from '../../lib/parallel.ts';
import { quote } from '../../lib/quote.ts';
import type { Repository } from '../../oci/reference.ts';
import { parseRepository } from '../../oci/reference.ts';
import type { ApiAnswer, ApiRequest } from './api-request.ts';
import { changing, repositoryOfGun } from './notary-request.ts';

/** Repositories of one page at most; each has its root read. */
const MOST = 200;
const USUAL = 100;
const WIDTH = 8;

/**
 * `GET /api/v1/repositories[?after=][&limit=]`: repositories with trust data that the caller may pull
 * from, in order, with the root that each is held to. A page may be empty and have a next one.
 */
export async function repositories({ ports, query, caller }: ApiRequest): Promise<ApiAnswer> {
  if (query['repository'] !== undefined) return one(ports, query, caller);
  const unknown = Object.keys(query).find((key) => key !== 'after' && key !== 'limit');
  if (unknown !== undefined)
    return refused('REQUEST_INVALID', `expected after or limit, found ${quote(unknown, 40)}`);
  const limit = query['limit'] === undefined ? USUAL : Number(query['limit']);
  if (!Number.isInteger(limit) || limit < 1 || limit > MOST)
    return refused('REQUEST_INVALID', `expected "limit" to be from 1 to ${MOST}`);
  const after = query['after'] === undefined ? null : afterOf(query['after']);
  if (after !== null && typeof after !== 'string') return after;
  const { access, store } = ports.gate.ports;
  const all = await store.trustRepositories(after);
  const visible = all.filter((repository) => access.may(caller, 'pull', repository));
  const page = visible.slice(0, limit);
  const found = await mapParallel(page, WIDTH, (one) => trustRepository(store, one));
  // The store gives whole pages; where the last of this one was shown there may be more behind it.
  const next = visible.length > limit ? page.at(-1) : all.length === STORE_PAGE ? all.at(-1) : null;
  return {
    kind: 'json',
    body: { repositories: found, next: next ?? null },
  };
}

/**
 * `GET /api/v1/repositories?repository=`: that one alone, and why its trust data do not count here, where
 * they do not. Of a repository that the caller may not pull from, or that has none, the page is empty.
 */
async function one(
  ports: ApiRequest['ports'],
  query: ApiRequest['query'],
  caller: ApiRequest['caller'],
): Promise<ApiAnswer> {
  if (Object.keys(query).length > 1)
    return refused('REQUEST_INVALID', 'expected "repository" alone, found more');
  const named = parseRepository(query['repository'] ?? '');
  if (!named.ok || named.value !== query['repository'])
    return refused('REQUEST_INVALID', 'expected "repository" to be a name such as host/repo');
  const gate = ports.gate.ports;
  const may = gate.access.may(caller, 'pull', named.value);
  const data = may ? await gate.trustData(named.value) : null;
  if (data === null) return { kind: 'json', body: { repositories: [], next: null } };
  const found = await trustRepository(gate.store, named.value);
  const problem = data.current.ok ? null : data.current.refusal.message;
  return { kind: 'json', body: { repositories: [{ ...found, problem }], next: null } };
}

/** Any repository name may be gone on from, one of a registry that is no longer configured too. */
function afterOf(text: string): Repository | Refused {
  const named = parseRepository(text);
  if (named.ok && named.value === text) return named.value;
  return refused('REQUEST_INVALID', 'expected "after" to be "next" of the page before');
}

/** As many as the store gives at once; see `TrustReads.trustRepositories`. */
const STORE_PAGE = 1000;

const RESET_KEYS = ['repository', 'reason'];

/**
 * `POST /api/v1/roots/reset`: accepts whatever root a repository has or gets next, for who lost its
 * root key. An administrator's act, recorded with its reason; in force with the answer.
 */
export async function resetRoot({ ports, body, caller }: ApiRequest): Promise<ApiAnswer> {
  const unknown = Object.keys(body).find((key) => !RESET_KEYS.includes(key));
  if (unknown !== undefined)
    return refused(
      'REQUEST_INVALID',
      `expected ${RESET_KEYS.join(', ')}; found ${quote(unknown, 40)}`,
    );
  const { repository: text, reason } = body;
  if (typeof text !== 'string')
    return refused('REQUEST_INVALID', 'expected "repository" to be a name such as host/repo');
  if (typeof reason !== 'string' || reason.trim() === '' || reason.length > 200)
    return refused('REQUEST_INVALID', 'expected "reason" to be text of 1 to 200 characters');
  const name = repositoryOfGun(ports.registries, text);
  if (name === null) {
    const hosts = ports.registries.map((one) => `${one.host}/…`).join(', ');
    return refused('NAME_INVALID', `expected a repository of ${hosts}, found ${quote(text)}`);
  }
  const { repository } = name;
  if (!ports.gate.ports.access.may(caller, 'admin', repository))
    return refused(
      'FORBIDDEN',
      `${caller.name} may not reset the root of ${repository}; that needs admin`,
    );
  await changing(ports, name, caller, async () => {
    await ports.notary.reset(repository, caller.name, reason);
    await ports.gate.ports.trust.refresh();
  });
  await ports.trustPublished(name.registry, repository, [], caller);
  return { kind: 'json', body: { repository, reason } };
}
