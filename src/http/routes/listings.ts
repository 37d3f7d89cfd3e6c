import { refused } from '../../gate/outcome.ts';
import type { Repository } from '../../oci/reference.ts';
import type { HttpPorts } from '../ports.ts';
import type { RegistryRequest } from './registry-request.ts';
import { pass, refuse, withQuery } from './registry-request.ts';

/** The list of all repositories: upstream's to give where it judges, else an administrator's. */
export async function catalog(ports: HttpPorts, r: RegistryRequest): Promise<void> {
  const may = ports.gate.ports.access.mayEverywhere(
    r.caller,
    ports.identities === null ? 'pull' : 'admin',
    [r.registry.host],
  );
  if (may) return pass(r, 'GET', withQuery('/v2/_catalog', pageQuery(r.query)), false);
  if (!r.caller.authenticated)
    return refuse(
      r,
      refused('UNAUTHENTICATED', 'the list of repositories needs an identity: log in first'),
    );
  return refuse(
    r,
    refused(
      'FORBIDDEN',
      `${r.caller.name} may not list all repositories; that needs admin everywhere`,
    ),
  );
}

/** Lists of one repository: tags and referrers (distribution-spec end-8, end-12). */
export async function list(
  ports: HttpPorts,
  r: RegistryRequest,
  repository: Repository,
  path: string,
): Promise<void> {
  const refusal = ports.gate.authoriser.check(r.caller, 'pull', repository);
  if (refusal !== null) return refuse(r, refusal);
  return pass(r, 'GET', withQuery(path, pageQuery(r.query)), false);
}

/** Paging and filter parameters, rebuilt; a page is at most 1000 entries (T-68). */
function pageQuery(query: string): string {
  const out = new URLSearchParams();
  for (const [name, value] of new URLSearchParams(query)) {
    if (out.has(name)) continue;
    if (name === 'n' && /^[0-9]{1,9}$/.test(value))
      out.set('n', String(Math.min(Number(value), 1000)));
    else if (['last', 'artifactType', 'next', 'token'].includes(name))
      out.set(name, value.slice(0, 512));
  }
  return out.toString();
}
