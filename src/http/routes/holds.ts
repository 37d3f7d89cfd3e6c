import { refused } from '../../gate/outcome.ts';
import { dropHold } from '../../gate/hold/drop.ts';
import type { Gate } from '../../gate/gate.ts';
import { LIMITS } from '../../lib/limits.ts';
import type { Digest } from '../../oci/digest.ts';
import { parseDigest } from '../../oci/digest.ts';
import type { Repository } from '../../oci/reference.ts';
import { splitRepository } from '../../oci/reference.ts';
import type { Hold } from '../../store/store.ts';
import type { ApiAnswer, ApiRequest } from './api-request.ts';
import { imageOf } from './api-request.ts';

/** `GET /api/v1/holds[?image=]`: what waits for a signature, in order of arrival, where the caller may push. */
export async function holds({ ports, query, caller }: ApiRequest): Promise<ApiAnswer> {
  const { store, access } = ports.gate.ports;
  let filter: { repository?: Repository; tag?: string; digest?: Digest } = {};
  if (query['image'] !== undefined) {
    const image = imageOf(ports, query['image']);
    if ('kind' in image) return image;
    const { repository, tag, digest } = image.reference;
    filter = {
      repository,
      ...(tag === undefined ? {} : { tag }),
      ...(digest === undefined ? {} : { digest }),
    };
  }
  const waiting = await store.holds({ ...filter, states: ['waiting'] });
  const visible = waiting.filter((hold) => access.may(caller, 'push', hold.repository));
  return { kind: 'json', body: { holds: visible.map(holdBody) } };
}

function holdBody(hold: Hold): object {
  const { id, repository, tag, digest, mediaType, pushedBy } = hold;
  return {
    id,
    repository,
    tag,
    digest,
    mediaType,
    size: hold.manifest.byteLength,
    pushedBy,
    pushedAt: new Date(hold.pushedAt).toISOString(),
    expiresAt: new Date(hold.expiresAt).toISOString(),
  };
}

/** `DELETE /api/v1/holds/<id>`: drops what waits; see {@link dropHold}. */
export async function endHold({ ports, params, caller }: ApiRequest): Promise<ApiAnswer> {
  const id = Number(params['id']);
  if (!Number.isSafeInteger(id) || id < 1)
    return refused('MANIFEST_UNKNOWN', `no hold ${String(params['id']).slice(0, 20)} waits`);
  const dropped = await dropHold(ports.gate, id, caller);
  return 'kind' in dropped ? dropped : { kind: 'json', body: { dropped: holdBody(dropped) } };
}

/**
 * `GET /api/v1/holds/<id>/manifest[?digest=]`: the raw bytes of a held manifest or of one that it
 * contains, for who is about to sign it.
 */
export async function heldManifest({
  ports,
  params,
  query,
  caller,
}: ApiRequest): Promise<ApiAnswer> {
  const { gate } = ports;
  const id = Number(params['id']);
  const hold = Number.isSafeInteger(id) && id > 0 ? await gate.ports.store.hold(id) : null;
  if (
    hold === null ||
    hold.state !== 'waiting' ||
    !gate.ports.access.may(caller, 'push', hold.repository)
  ) {
    return refused('MANIFEST_UNKNOWN', `no hold ${String(params['id']).slice(0, 20)} waits`);
  }
  if (query['digest'] === undefined || query['digest'] === hold.digest) {
    return { kind: 'bytes', body: hold.manifest, contentType: hold.mediaType };
  }
  const digest = parseDigest(query['digest']);
  if (!digest.ok) return refused(digest.refusal.code, digest.refusal.message);
  const registry = ports.registries.find(
    (one) => one.host === splitRepository(hold.repository).host,
  );
  if (
    registry === undefined ||
    !(await contains(gate, hold.repository, hold.digest, digest.value))
  ) {
    return refused(
      'MANIFEST_UNKNOWN',
      `hold ${id} contains no manifest ${digest.value.slice(0, 19)}`,
    );
  }
  const answer = await gate.fetcher.fetch(registry, hold.repository, digest.value, caller);
  if (answer.kind === 'absent')
    return refused('MANIFEST_UNKNOWN', `the registry has no manifest ${digest.value.slice(0, 19)}`);
  if (answer.kind === 'relay') return answer;
  return { kind: 'bytes', body: answer.bytes, contentType: answer.mediaType };
}

/** Manifests of a hold that are looked through, at most: the whole of any image that people build. */
const CONTAINED = 1000;

/** True where the held manifest, or an index within it, names the wanted one. Each is looked at once. */
async function contains(
  gate: Gate,
  repository: Repository,
  root: Digest,
  wanted: Digest,
): Promise<boolean> {
  const seen = new Set<Digest>([root]);
  let level: readonly Digest[] = [root];
  for (let depth = 0; depth < LIMITS.indexDepth && seen.size <= CONTAINED; depth++) {
    const next: Digest[] = [];
    for (const parent of level) {
      const children = await gate.ports.store.children(repository, parent);
      if (children.includes(wanted)) return true;
      for (const child of children) {
        if (seen.has(child) || seen.size > CONTAINED) continue;
        seen.add(child);
        next.push(child);
      }
    }
    level = next;
  }
  return false;
}
