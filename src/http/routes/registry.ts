import { blobRefused } from '../../gate/pull/blobs.ts';
import { refused } from '../../gate/outcome.ts';
import { repositoryOf } from '../../oci/reference.ts';
import type { HttpPorts } from '../ports.ts';
import { catalog, list } from './listings.ts';
import { getManifest, remove } from './manifests.ts';
import { putManifest } from './push-manifest.ts';
import type { RegistryRequest } from './registry-request.ts';
import { end, notAllowed, pass, refuse } from './registry-request.ts';
import { startUpload, upload } from './uploads.ts';

/**
 * Handles one request of the OCI distribution API. Every endpoint is handled, passed on or
 * refused by name; what is not listed here is not forwarded.
 */
export async function handleRegistry(ports: HttpPorts, r: RegistryRequest): Promise<void> {
  const method = r.request.method ?? '';
  const { route } = r;
  if (route.kind === 'base')
    return method === 'GET' || method === 'HEAD' ? base(ports, r) : notAllowed(r, 'GET, HEAD');
  if (route.kind === 'catalog') return method === 'GET' ? catalog(ports, r) : notAllowed(r, 'GET');
  const repository = repositoryOf(r.registry.host, route.path);
  if (!repository.ok)
    return refuse(r, refused(repository.refusal.code, repository.refusal.message));
  r.facts.repository = repository.value;
  switch (route.kind) {
    case 'manifest':
      if (method === 'GET' || method === 'HEAD')
        return getManifest(ports, r, repository.value, route.reference, method);
      if (method === 'PUT') return putManifest(ports, r, repository.value, route.reference);
      if (method === 'DELETE') return remove(ports, r, repository.value, route.reference);
      return notAllowed(r, 'GET, HEAD, PUT, DELETE');
    case 'blob':
      if (method === 'GET' || method === 'HEAD') {
        const outcome = await blobRefused(ports.gate, {
          ...r,
          repository: repository.value,
          digest: route.digest,
          method,
        });
        if (outcome !== null) return end(r, outcome);
        if (method === 'HEAD') ports.gate.pushers.probed(r.caller, repository.value);
        return pass(r, method, `/v2/${route.path}/blobs/${route.digest}`, false);
      }
      if (method === 'DELETE')
        return remove(ports, r, repository.value, { digest: route.digest }, true);
      return notAllowed(r, 'GET, HEAD, DELETE');
    case 'uploads':
      return method === 'POST'
        ? startUpload(ports, r, repository.value, route.path)
        : notAllowed(r, 'POST');
    case 'upload':
      return upload(
        ports,
        r,
        repository.value,
        `/v2/${route.path}/blobs/uploads/${route.session}`,
        method,
      );
    case 'tags':
      return method === 'GET'
        ? list(ports, r, repository.value, `/v2/${route.path}/tags/list`)
        : notAllowed(r, 'GET');
    case 'referrers':
      return method === 'GET'
        ? list(ports, r, repository.value, `/v2/${route.path}/referrers/${route.digest}`)
        : notAllowed(r, 'GET');
  }
}

/** The API probe: docker learns here how to log in, so a stranger gets the challenge and nobody a policy. */
async function base(ports: HttpPorts, r: RegistryRequest): Promise<void> {
  if (ports.identities !== null && !r.caller.authenticated) {
    return refuse(r, refused('UNAUTHENTICATED', 'log in to use this registry (docker login)'));
  }
  if (r.registry.upstreamJudges) return pass(r, r.request.method ?? 'GET', '/v2/', false);
  r.response.writeHead(200, {
    'content-type': 'application/json',
    'content-length': 2,
    'docker-distribution-api-version': 'registry/2.0',
  });
  r.response.end('{}');
}
