import { LIMITS } from '../lib/limits.ts';
import type { Digest } from '../oci/digest.ts';
import { shortDigest } from '../oci/digest.ts';
import type { Repository } from '../oci/reference.ts';
import type { Caller } from './caller.ts';
import type { Gate } from './gate.ts';
import type { Refused } from './outcome.ts';
import { refused, refusedBy, refusedByFailure } from './outcome.ts';
import type { GateRegistry } from './ports.ts';
import { pull } from './pull.ts';
import type { Relayed } from './upstream.ts';

/** A request for a blob. */
export interface BlobRequest {
  readonly registry: GateRegistry;
  readonly repository: Repository;
  readonly digest: Digest;
  readonly method: 'GET' | 'HEAD';
  readonly caller: Caller;
}

/**
 * Whether a blob may be read (DESIGN 5): freely under `blobs: open`, since without a manifest bytes
 * are unreachable; under `linked` only as part of an admitted manifest. A path that names a known
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
    const policy = gate.evaluator.govern(registry, repository)?.policy;
    // HEAD tells only that the bytes exist, and every client asks it before it pushes.
    if (policy?.blobs !== 'linked' || policy.mode !== 'enforce' || method === 'HEAD') return null;
    const question = { registry, repository, digest, tag: null, action: 'pull', caller } as const;
    const verdict = await gate.children.admittedBy(question, LIMITS.indexDepth, 'blob');
    if (verdict?.decision === 'allow') return null;
    if (verdict !== null) return refusedBy(verdict, await gate.recording.record(verdict, caller));
    const message = `${repository}@${shortDigest(digest)} is not part of any trusted image here; policy ${policy.name} serves linked blobs only`;
    return refused('NOT_TRUSTED', message);
  } catch (error) {
    gate.ports.log.warn({ repository, error }, 'blob check failed');
    return refusedByFailure(error);
  }
}

async function isManifest(gate: Gate, repository: Repository, digest: Digest): Promise<boolean> {
  if (gate.manifests.get(repository, digest, true) !== undefined) return true;
  if ((await gate.ports.store.pushedAt(repository, digest)) !== null) return true;
  return (await gate.ports.store.children(repository, digest)).length > 0;
}
