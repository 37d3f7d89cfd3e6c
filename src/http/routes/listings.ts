import { catalogPage } from '../../gate/catalog/catalog.ts';
import { refused } from '../../gate/outcome.ts';
import type { Result } from '../../lib/result.ts';
import { ok } from '../../lib/result.ts';
import { PAGE_LIMIT, pageLink, parsePage } from '../../oci/paging.ts';
import type { Repository } from '../../oci/reference.ts';
import { sendRelayed } from '../answer.ts';
import { originOf } from '../exchange.ts';
import type { HttpPorts } from '../ports.ts';
import type { RegistryRequest } from './registry-request.ts';
import { pass, refuse, withQuery } from './registry-request.ts';

/**
 * The list of repositories: where upstream judges it is upstream's to give; else the gate shows each
 * caller what they may pull, and all to an administrator of everything.
 */
export async function catalog(ports: HttpPorts, r: RegistryRequest): Promise<void> {
  const query = pageQuery(r.query);
  if (!query.ok) return refuse(r, refused(query.refusal.code, query.refusal.message));
  const { access } = ports.gate.ports;
  const whole = access.open || access.mayEverywhere(r.caller, 'admin', [r.registry.host]);
  if (whole) return pass(r, 'GET', withQuery('/v2/_catalog', query.value), false);
  if (!r.caller.authenticated && !access.mayAnywhere(r.caller, 'pull'))
    return refuse(
      r,
      refused('UNAUTHENTICATED', 'the list of repositories needs an identity: log in first'),
    );
  const asked = new URLSearchParams(query.value);
  const page = parsePage(asked);
  if (!page.ok) return refuse(r, refused(page.refusal.code, page.refusal.message));
  const part = { ...page.value, mark: asked.get('next') };
  const outcome = await catalogPage(ports.gate, r.registry, r.caller, part);
  if (outcome.kind === 'relay') return sendRelayed(r.response, outcome);
  if (outcome.kind === 'refused') return refuse(r, outcome);
  const body = `${JSON.stringify({ repositories: outcome.repositories })}\n`;
  const { next } = outcome;
  const path = `${originOf(r.request)}/v2/_catalog`;
  const n = String(page.value.n);
  r.response.writeHead(200, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
    'cache-control': 'private, no-store',
    ...(next === null ? {} : { link: pageLink(path, { ...next, n }) }),
  });
  r.response.end(body);
}

/** Lists of one repository: tags and referrers (distribution-spec end-8, end-12); pages and order are upstream's own. */
export async function list(
  ports: HttpPorts,
  r: RegistryRequest,
  repository: Repository,
  path: string,
): Promise<void> {
  const refusal = ports.gate.authoriser.check(r.caller, 'pull', repository);
  if (refusal !== null) return refuse(r, refusal);
  const query = pageQuery(r.query);
  if (!query.ok) return refuse(r, refused(query.refusal.code, query.refusal.message));
  return pass(r, 'GET', withQuery(path, query.value), false);
}

/**
 * Paging and filter parameters, rebuilt, each once: a page is at most 1000 entries, and what is no
 * number reaches no registry (T-68: registries have made room for `n` entries before looking).
 */
function pageQuery(query: string): Result<string> {
  const asked = new URLSearchParams(query);
  const page = parsePage(asked);
  if (!page.ok) return page;
  const out = new URLSearchParams();
  for (const name of ['n', 'last', 'artifactType', 'next', 'next_page', 'token']) {
    const value = asked.get(name);
    if (value === null || value === '') continue;
    out.set(
      name,
      name === 'n' ? String(Math.min(Number(value), PAGE_LIMIT)) : value.slice(0, 2048),
    );
  }
  return ok(out.toString());
}
