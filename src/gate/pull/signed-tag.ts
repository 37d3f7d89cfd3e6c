import type { Digest } from '../../oci/digest.ts';
import type { Repository } from '../../oci/reference.ts';
import { asksMap, meantTag } from '../../policy/meant-tag.ts';
import type { Gate } from '../gate.ts';
import { revocationsInForce } from '../in-force/revocations.ts';
import type { GateRegistry } from '../ports.ts';

/** A tag of a repository. */
export interface NamedTag {
  readonly registry: GateRegistry;
  readonly repository: Repository;
  readonly tag: string;
}

/**
 * What the signed map says that a tag is (see `meantTag`); `null` also where no policy asks it. Throws
 * where the trust data cannot be read.
 */
export async function signedTag(
  gate: Gate,
  { registry, repository, tag }: NamedTag,
): Promise<Digest | null> {
  const { ports } = gate;
  const governing = gate.evaluator.govern(registry, repository);
  if (!asksMap(governing)) return null;
  const data = await ports.trustData(repository);
  return meantTag(governing, data, tag, ports.authorities(), revocationsInForce(ports));
}

/**
 * True where the signed map says by now that a tag is another digest than the one that was judged: a
 * publish came in between, and neither the old nor the new meaning was refused by it.
 */
export async function hasMoved(gate: Gate, named: NamedTag, judged: Digest): Promise<boolean> {
  const now = await signedTag(gate, named);
  return now !== null && now !== judged;
}
