import type { Digest } from '../oci/digest.ts';
import type { Repository } from '../oci/reference.ts';
import type { Caller } from './caller.ts';
import type { Gate } from './gate.ts';
import type { Refused } from './outcome.ts';
import { refused } from './outcome.ts';
import type { GateRegistry } from './ports.ts';

/** Whether something may be deleted: its own right, and only where the policy says `delete: allow`. `null`: it may. */
export function removalRefused(
  gate: Gate,
  registry: GateRegistry,
  repository: Repository,
  caller: Caller,
): Refused | null {
  const forbidden = gate.authoriser.check(caller, 'delete', repository);
  if (forbidden !== null) return forbidden;
  const governing = gate.evaluator.govern(registry, repository);
  const denying = [governing, ...(governing?.floors ?? [])].find(
    (one) => one?.policy.delete !== 'allow',
  );
  if (denying === undefined) return null;
  const by =
    denying === null ? 'no policy governs it' : `policy ${denying.policy.name} says delete: deny`;
  return refused('FORBIDDEN', `${repository}: nothing may be deleted here, ${by}`);
}

/** Forgets all that stood on what was deleted upstream. */
export function removed(
  gate: Gate,
  repository: Repository,
  reference: { readonly tag: string } | { readonly digest: Digest },
): void {
  const tag =
    'tag' in reference ? reference.tag : gate.artifacts.tagOf(repository, reference.digest);
  if (tag !== undefined) {
    gate.tags.forget(repository, tag);
    const subject = gate.artifacts.subjectOf(tag)?.subject;
    if (subject !== undefined) gate.evaluator.verdicts.forget(repository, subject);
  }
  if ('digest' in reference) {
    gate.manifests.delete(repository, reference.digest);
    gate.evaluator.verdicts.forget(repository, reference.digest);
  }
}
