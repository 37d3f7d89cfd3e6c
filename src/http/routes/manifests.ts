import { pull } from '../../gate/pull.ts';
import { push } from '../../gate/push.ts';
import { refused } from '../../gate/outcome.ts';
import { removalRefused, removed, subjectOfRemoved, tagRemoved } from '../../gate/remove.ts';
import { supersededRemoved } from '../../gate/superseded.ts';
import { LIMITS } from '../../lib/limits.ts';
import type { Repository } from '../../oci/reference.ts';
import { printable } from '../answer.ts';
import { originOf, readBody } from '../exchange.ts';
import type { HttpPorts } from '../ports.ts';
import type { ManifestReference } from '../registry-path.ts';
import type { RegistryRequest } from './registry-request.ts';
import { end, pass, refuse } from './registry-request.ts';

/** GET and HEAD of a manifest: one decision, the same for both (distribution-spec end-3). */
export async function getManifest(
  ports: HttpPorts,
  r: RegistryRequest,
  repository: Repository,
  reference: ManifestReference,
  method: 'GET' | 'HEAD',
): Promise<void> {
  r.facts.reference = 'tag' in reference ? reference.tag : reference.digest;
  const outcome = await pull(ports.gate, {
    registry: r.registry,
    repository,
    reference,
    method,
    caller: r.caller,
  });
  if (outcome.kind !== 'serve') return end(r, outcome);
  const { manifest, warning } = outcome;
  r.response.writeHead(200, {
    'content-type': manifest.mediaType,
    'content-length': manifest.bytes.byteLength,
    'docker-content-digest': manifest.digest,
    etag: `"${manifest.digest}"`,
    'cache-control': 'private, no-store',
    ...(warning === null ? {} : { warning: `299 - "${quoted(warning)}"` }),
  });
  r.response.end(method === 'GET' ? manifest.bytes : undefined);
}

/** PUT of a manifest (distribution-spec end-7). */
export async function putManifest(
  ports: HttpPorts,
  r: RegistryRequest,
  repository: Repository,
  reference: ManifestReference,
): Promise<void> {
  r.facts.reference = 'tag' in reference ? reference.tag : reference.digest;
  // Tags may hide in the query of newer registries (`?tag=`, T-31): nothing there is passed on.
  if (hasQuery(r.query))
    return refuse(
      r,
      refused('REQUEST_INVALID', 'expected a manifest push without query parameters'),
    );
  // Before the body is read: what a stranger sends takes no room here.
  const forbidden = ports.gate.authoriser.check(r.caller, 'push', repository);
  if (forbidden !== null) return refuse(r, forbidden);
  const bytes = await readBody(r.request, LIMITS.manifestBytes);
  if (bytes === null)
    return refuse(r, refused('MANIFEST_TOO_LARGE', 'expected a manifest of at most 4 MiB'));
  const contentType = r.request.headers['content-type'];
  if (contentType === undefined)
    return refuse(
      r,
      refused('MANIFEST_INVALID', 'expected a Content-Type that names the manifest type'),
    );
  const outcome = await push(ports.gate, ports.holds, {
    registry: r.registry,
    repository,
    reference,
    contentType,
    bytes,
    caller: r.caller,
  });
  if (outcome.kind !== 'created') return end(r, outcome);
  if (outcome.held) r.facts.code = 'HELD';
  const name = 'tag' in reference ? reference.tag : reference.digest;
  r.response.writeHead(201, {
    location: `${originOf(r.request)}/v2/${r.route.kind === 'manifest' ? r.route.path : ''}/manifests/${name}`,
    'docker-content-digest': outcome.digest,
    'content-length': 0,
    // Upstream lists referrers itself: clients then keep no list under a fallback tag (distribution-spec).
    ...(outcome.subject === null ? {} : { 'oci-subject': outcome.subject }),
    ...(outcome.warning === null ? {} : { warning: `299 - "${quoted(outcome.warning)}"` }),
  });
  r.response.end();
}

/** DELETE of a manifest, tag or blob (distribution-spec end-9, end-10). */
export async function remove(
  ports: HttpPorts,
  r: RegistryRequest,
  repository: Repository,
  reference: ManifestReference,
  blob = false,
): Promise<void> {
  const { gate } = ports;
  const deletion = 'digest' in reference ? { ...r, repository, digest: reference.digest } : null;
  if (deletion !== null && !blob && (await supersededRemoved(gate, deletion))) {
    r.response.writeHead(202, { 'content-length': 0 }).end();
    return;
  }
  const refusal = removalRefused(gate, r.registry, repository, r.caller);
  if (refusal !== null) return refuse(r, refusal);
  const subject = deletion === null || blob ? null : await subjectOfRemoved(gate, deletion);
  const { path } = r.route as { path: string };
  const last = 'tag' in reference ? reference.tag : reference.digest;
  await pass(r, 'DELETE', `/v2/${path}/${blob ? 'blobs' : 'manifests'}/${last}`, false);
  if ('tag' in reference) tagRemoved(gate, repository, reference.tag);
  else if (deletion !== null) {
    const gone = r.response.statusCode >= 200 && r.response.statusCode < 300;
    await removed(gate, deletion, subject, gone);
  }
}

/** containerd adds `ns=` to every request through a mirror; it changes nothing. */
const hasQuery = (query: string): boolean =>
  [...new URLSearchParams(query).keys()].some((key) => key !== 'ns');
const quoted = (text: string): string => printable(text, 300).replace(/["\\]/g, "'");
