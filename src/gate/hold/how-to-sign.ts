import type { Repository } from '../../oci/reference.ts';
import { askedBy } from '../../policy/match.ts';
import type { Gate } from '../gate.ts';
import type { GateRegistry } from '../ports.ts';

/** What docker's own command does with what is held: without `--local` it signs what was signed before. */
export const DOCKER_SIGNS =
  'docker trust sign --local (without --local it signs the old digest again)';

/** True where trust data can be what a held push waits for. */
export function asksDct(
  gate: Gate,
  { registry, repository }: { readonly registry: GateRegistry; readonly repository: Repository },
): boolean {
  const governing = gate.evaluator.govern(registry, repository);
  return governing !== null && askedBy(governing).formats.includes('dct');
}
