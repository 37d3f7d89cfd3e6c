import type { Digest } from '../oci/digest.ts';
import type { Repository } from '../oci/reference.ts';
import { askedBy, mapAuthorities } from '../policy/match.ts';
import { tagInMap } from '../trust/dct/tag-in-map.ts';
import type { Gate } from './gate.ts';
import type { GateRegistry } from './ports.ts';

/** A tag of a repository. */
export interface NamedTag {
  readonly registry: GateRegistry;
  readonly repository: Repository;
  readonly tag: string;
}

/**
 * What the signed map says that a tag is; `null` where it says nothing, where its trust data cannot be
 * believed, and where no policy asks it: then the registry may name a digest, which the decision
 * refuses under `tags: signed`, since no map confirms it. Throws where the trust data cannot be read.
 */
export async function signedTag(
  gate: Gate,
  { registry, repository, tag }: NamedTag,
): Promise<Digest | null> {
  const governing = gate.evaluator.govern(registry, repository);
  if (governing === null || !askedBy(governing).signedTags) return null;
  const data = await gate.ports.trustData(repository);
  if (data?.current.ok !== true) return null;
  const revoked = gate.ports.trust
    .revocations()
    .flatMap((one) => (one.kind === 'key' ? [one.keyId] : []));
  const authorities = mapAuthorities(governing, gate.ports.authorities());
  return tagInMap(data.current.value, tag, authorities, new Set(revoked));
}

/**
 * True where the signed map says by now that a tag is another digest than the one that was judged: a
 * publish came in between, and neither the old nor the new meaning was refused by it.
 */
export async function hasMoved(gate: Gate, named: NamedTag, judged: Digest): Promise<boolean> {
  const now = await signedTag(gate, named);
  return now !== null && now !== judged;
}
