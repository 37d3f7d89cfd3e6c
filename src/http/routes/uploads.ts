import { blobRefused } from '../../gate/pull/blobs.ts';
import type { Digest } from '../../oci/digest.ts';
import { parseDigest } from '../../oci/digest.ts';
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
  const asked = new URLSearchParams(r.query);
  const query = new URLSearchParams();
  for (const name of ['digest', 'digest-algorithm']) {
    const value = asked.get(name);
    if (value !== null) query.set(name, value);
  }
  const [mount, from] = [asked.get('mount'), asked.get('from')];
  if (mount !== null && from !== null) {
    // Only what the caller could read there can be mounted, or it would be read here; else, and where no
    // source is named (registries then look everywhere), it becomes an ordinary upload.
    const source = repositoryOf(r.registry.host, from);
    const digest = parseDigest(mount);
    if (source.ok && digest.ok && (await mayRead(ports, r, source.value, digest.value))) {
      query.set('mount', digest.value);
      query.set('from', from);
    }
  }
  const target = withQuery(`/v2/${path}/blobs/uploads/`, query.toString());
  await pass(r, 'POST', target, query.has('digest'));
  noteWrite(ports, r, repository);
}

async function mayRead(
  ports: HttpPorts,
  { registry, caller }: RegistryRequest,
  repository: Repository,
  digest: Digest,
): Promise<boolean> {
  const read = { registry, repository, digest, method: 'GET', caller } as const;
  return (await blobRefused(ports.gate, read)) === null;
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
  const writes = method === 'PATCH' || method === 'PUT';
  await pass(r, method, withQuery(path, r.query), writes);
  if (writes) noteWrite(ports, r, repository);
}

/** What upstream took tells that its sender pushes here. */
function noteWrite(ports: HttpPorts, r: RegistryRequest, repository: Repository): void {
  const { statusCode } = r.response;
  if (statusCode === 201 || statusCode === 202) ports.gate.pushers.wrote(r.caller, repository);
}
