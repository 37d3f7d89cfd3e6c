import { repositoryOf } from '../../oci/reference.ts';
import type { Repository } from '../../oci/reference.ts';
import type { HttpPorts } from '../ports.ts';
import type { RegistryRequest } from './registry-request.ts';
import { notAllowed, pass, refuse, withQuery } from './registry-request.ts';

/** POST that starts an upload, or mounts a blob (distribution-spec end-4, end-11). */
export async function startUpload(
  ports: HttpPorts,
  r: RegistryRequest,
  repository: Repository,
  path: string,
): Promise<void> {
  const refusal = ports.gate.authoriser.check(r.caller, 'push', repository);
  if (refusal !== null) return refuse(r, refusal);
  const query = new URLSearchParams(r.query);
  const from = query.get('from');
  if (query.has('mount') && from !== null) {
    // Only what the caller may read can be mounted; else it becomes an ordinary upload (DESIGN 4.3).
    const source = repositoryOf(r.registry.host, from);
    const readable =
      source.ok && ports.gate.authoriser.check(r.caller, 'pull', source.value) === null;
    if (!readable || query.getAll('from').length > 1 || query.getAll('mount').length > 1) {
      return pass(r, 'POST', `/v2/${path}/blobs/uploads/`, false);
    }
  }
  return pass(r, 'POST', withQuery(`/v2/${path}/blobs/uploads/`, r.query), query.has('digest'));
}

/** One step of an upload (distribution-spec end-5, end-6, end-13, end-14). */
export async function upload(
  ports: HttpPorts,
  r: RegistryRequest,
  repository: Repository,
  path: string,
  method: string,
): Promise<void> {
  if (!['GET', 'PATCH', 'PUT', 'DELETE'].includes(method))
    return notAllowed(r, 'GET, PATCH, PUT, DELETE');
  const refusal = ports.gate.authoriser.check(r.caller, 'push', repository);
  if (refusal !== null) return refuse(r, refusal);
  // The query belongs to upstream's own Location and may be signed: byte-exact.
  return pass(r, method, withQuery(path, r.query), method === 'PATCH' || method === 'PUT');
}
