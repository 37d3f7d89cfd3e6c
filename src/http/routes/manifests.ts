import { pull } from '../../gate/pull/pull.ts';
import { refused } from '../../gate/outcome.ts';
import {
  manifestRemoved,
  recordDeletion,
  removalRefused,
  removed,
  subjectOfRemoved,
  tagRemoved,
} from '../../gate/remove/remove.ts';
import { supersededRemoved } from '../../gate/remove/superseded.ts';
import { shortDigest } from '../../oci/digest.ts';
import type { Repository } from '../../oci/reference.ts';
import { accepts, knows } from '../accept.ts';
import { warningHeader } from '../answer.ts';
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
  const { bytes, digest, mediaType } = outcome.manifest;
  const { accept, 'if-none-match': known } = r.request.headers;
  if (!accepts(accept, mediaType)) {
    // Registries answer such a client with another manifest of the tag, that is, another digest.
    const message = `${repository}@${shortDigest(digest)} is of type ${mediaType}, which the Accept header of the request does not take`;
    return refuse(r, refused('MANIFEST_UNKNOWN', message));
  }
  const headers = {
    'docker-content-digest': digest,
    etag: `"${digest}"`,
    'cache-control': 'private, no-store',
    ...r.registry.upstream.limits(r.caller),
    ...(outcome.warning === null ? {} : { warning: warningHeader(outcome.warning) }),
  };
  // Only here, when all is decided: "not modified" is a yes as well.
  if (knows(known, digest)) {
    r.response.writeHead(304, headers).end();
    return;
  }
  const content = { 'content-type': mediaType, 'content-length': bytes.byteLength };
  r.response.writeHead(200, { ...content, ...headers });
  r.response.end(method === 'GET' ? bytes : undefined);
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
  const kind = blob ? 'blob' : 'manifest';
  const tag = 'tag' in reference ? reference.tag : null;
  const digest = deletion?.digest ?? null;
  await recordDeletion(gate, { repository, kind, tag, digest }, r.caller);
  const subject = deletion === null || blob ? null : await subjectOfRemoved(gate, deletion);
  const { path } = r.route as { path: string };
  const last = 'tag' in reference ? reference.tag : reference.digest;
  const forget = (): void =>
    'tag' in reference
      ? tagRemoved(gate, repository, reference.tag)
      : manifestRemoved(gate, repository, reference.digest, subject);
  // Before, so that who hears of the deletion finds nothing old here any more (T-53).
  forget();
  let gone = false;
  try {
    await pass(r, 'DELETE', `/v2/${path}/${kind}s/${last}`, false);
    gone = r.response.statusCode >= 200 && r.response.statusCode < 300;
  } finally {
    // And after, for what was asked meanwhile; also where upstream's answer got lost.
    forget();
    if (deletion !== null) await removed(gate, deletion, subject, gone);
  }
}
