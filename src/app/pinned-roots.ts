import type { Repository } from '../oci/reference.ts';
import type { Governing } from '../policy/policy.ts';

/**
 * The roots that policy pins for a repository, one list of key ids for each place that names some: all
 * of them hold. `null` where no policy that governs it, floors included, pins any.
 */
export function pinnedRoots(
  repository: Repository,
  govern: (repository: Repository) => Governing | null,
): readonly (readonly string[])[] | null {
  const governing = govern(repository);
  if (governing === null) return null;
  const pins = [governing, ...governing.floors]
    .flatMap(({ policy }) => [policy.roots, ...policy.require.map((rule) => rule.roots)])
    .filter((roots) => roots.length > 0);
  return pins.length === 0 ? null : pins;
}
