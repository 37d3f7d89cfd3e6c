import type { Result } from '../../lib/result.ts';
import { ok, refuse } from '../../lib/result.ts';
import type { Reference } from '../../oci/reference.ts';
import { parseReference, repositoryOf } from '../../oci/reference.ts';
import type { GateRegistry } from '../ports.ts';

/** An image of one of the gate's registries, under the registry's canonical name. */
export interface NamedImage {
  readonly reference: Reference;
  readonly registry: GateRegistry;
}

/**
 * Reads an image as people write it: its registry must be one of the gate's, and aliases become the
 * one canonical name, so that every spelling meets the same policy (T-32).
 */
export function namedImage(registries: readonly GateRegistry[], text: string): Result<NamedImage> {
  const parsed = parseReference(text);
  if (!parsed.ok) return parsed;
  const { host, path } = parsed.value;
  const registry = registries.find((one) => one.host === host || one.aliases.includes(host));
  if (registry === undefined) {
    const known = registries.map((one) => one.host).join(', ');
    return refuse(
      'REFERENCE_INVALID',
      `expected an image of ${known}, found one of ${host}, which is no registry here`,
    );
  }
  const repository = repositoryOf(registry.host, path);
  if (!repository.ok) return repository;
  const reference = { ...parsed.value, host: registry.host, repository: repository.value };
  return ok({ reference, registry });
}
