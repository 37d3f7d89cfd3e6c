import { LIMITS } from '../../lib/limits.ts';
import type { Digest } from '../../oci/digest.ts';
import { shortDigest } from '../../oci/digest.ts';
import type { Repository } from '../../oci/reference.ts';
import { splitRepository } from '../../oci/reference.ts';
import type { Caller } from '../access/caller.ts';
import type { Gate } from '../gate.ts';
import type { Refused } from '../outcome.ts';
import { refused, refusedBy, refusedByFailure } from '../outcome.ts';
import type { GateRegistry } from '../ports.ts';
import { relayed, unavailable, withBody } from '../upstream/answer.ts';
import type { Relayed } from '../upstream/upstream.ts';
import { pull } from './pull.ts';

const HEAD_MS = 30_000;

/** A request for a blob. */
export interface BlobRequest {
  readonly registry: GateRegistry;
  readonly repository: Repository;
  readonly digest: Digest;
  readonly method: 'GET' | 'HEAD';
  readonly caller: Caller;
}

/**
 * Whether a blob may be read: freely under `blobs: open`, since without a manifest bytes
 * are unreachable; under `linked`, of the policy or of a floor, only as part of an admitted manifest;
 * where no policy governs, not at all. A path that names a known
 * manifest takes the manifest's verdict, since some registries serve manifests as blobs. `null`: it
 * may. Never throws.
 */
export async function blobRefused(
  gate: Gate,
  request: BlobRequest,
): Promise<Refused | Relayed | null> {
  const { registry, repository, digest, method, caller } = request;
  try {
    const forbidden = gate.authoriser.check(caller, 'pull', repository);
    if (forbidden !== null) return forbidden;
    if (await isManifest(gate, repository, digest)) {
      const outcome = await pull(gate, {
        registry,
        repository,
        reference: { digest },
        method,
        caller,
      });
      return outcome.kind === 'serve' ? null : outcome;
    }
    // HEAD tells only that the bytes exist, and every client asks it before it pushes.
    if (method === 'HEAD') return null;
    const governing = gate.evaluator.govern(registry, repository);
    const question = { registry, repository, digest, tag: null, action: 'pull', caller } as const;
    if (governing === null) {
      const stranger = await notLetIn(request);
      if (stranger !== null) return stranger;
      const none = await gate.evaluator.judge(question);
      return refusedBy(none, await gate.recording.record(none, caller));
    }
    const policy = [governing, ...governing.floors]
      .map((judging) => judging.policy)
      .find((one) => one.blobs === 'linked' && one.mode === 'enforce');
    if (policy === undefined) return null;
    const verdict = await gate.children.admittedBy(question, LIMITS.indexDepth, 'blob');
    if (verdict?.decision === 'allow') return null;
    const stranger = await notLetIn(request);
    if (stranger !== null) return stranger;
    if (verdict !== null) return refusedBy(verdict, await gate.recording.record(verdict, caller));
    const message = `${repository}@${shortDigest(digest)} is not part of any trusted image here; policy ${policy.name} serves linked blobs only`;
    return refused('NOT_TRUSTED', message);
  } catch (error) {
    gate.ports.log.warn({ repository, error }, 'blob check failed');
    return refusedByFailure(error);
  }
}

/**
 * What upstream says to a caller whom it judges itself and does not let read the blob: they get that,
 * and no word of a policy or of what is trusted here. `null` where it lets them, or judges nobody.
 */
async function notLetIn({
  registry,
  repository,
  digest,
  caller,
}: BlobRequest): Promise<Relayed | null> {
  if (!registry.upstreamJudges) return null;
  const path = `/v2/${splitRepository(repository).path}/blobs/${digest}`;
  const signal = AbortSignal.timeout(HEAD_MS);
  const answer = await registry.upstream.exchange(
    { method: 'HEAD', path, headers: {}, signal },
    caller,
  );
  const status = answer.statusCode;
  if (status >= 400 && status < 500) return withBody(await relayed(answer));
  await answer.body.dump();
  if (status >= 500) throw unavailable(`answered ${status} for a blob`);
  return null;
}

async function isManifest(gate: Gate, repository: Repository, digest: Digest): Promise<boolean> {
  if (gate.manifests.get(repository, digest, Infinity) !== undefined) return true;
  if ((await gate.ports.store.pushedAt(repository, digest)) !== null) return true;
  return (await gate.ports.store.children(repository, digest)).length > 0;
}
