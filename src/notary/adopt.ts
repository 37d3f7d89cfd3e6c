import type { Repository } from '../oci/reference.ts';
import type { ImportedEntry, SignedEntry, TrustWrite } from '../store/trust-data.ts';
import type { Listing } from '../tuf/listing.ts';
import type { Root } from '../tuf/root.ts';
import type { TargetsTree } from '../tuf/targets-tree.ts';
import { entriesOf } from './entries.ts';

/** A repository whose newest files were verified, from the root that it is to be held to. */
export interface AdoptedRepository {
  readonly root: Root;
  readonly snapshot: Listing;
  readonly timestamp: Listing;
  readonly tree: TargetsTree;
}

/**
 * The writes that hold a repository to its present root and versions and put on record who signed what
 * in it: for files that came otherwise than by a publish, an import or an administrator's reset. An
 * import knows of more `entries`, and since when.
 */
export function adoptionOf(
  repository: Repository,
  { root, snapshot, timestamp, tree }: AdoptedRepository,
  entries: readonly (SignedEntry | ImportedEntry)[] = [...tree.roles.values()].flatMap((role) =>
    entriesOf(role),
  ),
): readonly TrustWrite[] {
  const seen = new Map([
    ['root', root.version],
    ['snapshot', snapshot.version],
    ['timestamp', timestamp.version],
    ...[...tree.roles.values()].map(({ name, version }): [string, number] => [name, version]),
  ]);
  return [
    { kind: 'trust-pin', repository, pin: { root: root.envelope.bytes, seen } },
    { kind: 'trust-entries', repository, entries },
  ];
}
