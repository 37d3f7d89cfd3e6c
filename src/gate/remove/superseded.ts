import type { Digest } from '../../oci/digest.ts';
import type { Repository } from '../../oci/reference.ts';
import { splitRepository } from '../../oci/reference.ts';
import type { Caller } from '../access/caller.ts';
import type { Gate } from '../gate.ts';
import type { GateRegistry } from '../ports.ts';
import { unavailable } from '../upstream/answer.ts';

/** What is to be deleted, where, and by whom. */
export interface Deletion {
  readonly registry: GateRegistry;
  readonly repository: Repository;
  readonly digest: Digest;
  readonly caller: Caller;
}

/**
 * Deletes a list of referrers that another one took the place of, for whoever may push: clients that
 * write such lists clear away the one that they replaced (oras), whatever the policy says of deleting.
 * True where the deletion is done, or stood for nothing: the joined list under the tag is the very one
 * that the client had replaced. False for everything else, the list that the tag serves included.
 * Throws as upstream does.
 */
export async function supersededRemoved(gate: Gate, deletion: Deletion): Promise<boolean> {
  const { registry, repository, digest, caller } = deletion;
  const known = await gate.artifacts.known(repository, digest);
  if (known?.kind !== 'index' || !known.only) return false;
  if (gate.authoriser.check(caller, 'push', repository) !== null) return false;
  const { path } = splitRepository(repository);
  return gate.tagLocks.run(`${repository}\n${known.name}`, async () => {
    const current = await registry.upstream.head(path, known.name, caller);
    if (current.kind === 'relay') return false;
    if (current.kind === 'found' && current.digest === digest)
      return gate.artifacts.takeKept(repository, digest);
    const target = `/v2/${path}/manifests/${digest}`;
    const answer = await registry.upstream.exchange(
      { method: 'DELETE', path: target, headers: {} },
      caller,
    );
    await answer.body.dump();
    if (answer.statusCode === 401 || answer.statusCode === 403) return false;
    // "Not there" may be what a registry says to strangers: it changes nothing that is known here.
    if (answer.statusCode === 404) return true;
    if (answer.statusCode === 429 || answer.statusCode >= 500)
      throw unavailable(`answered ${answer.statusCode} to a deletion`);
    // A registry that deletes nothing (405) keeps what nobody can reach by name; that is no failure.
    await gate.artifacts.forget(repository, digest);
    gate.manifests.delete(repository, digest);
    return true;
  });
}
