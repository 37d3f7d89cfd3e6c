import { RELEASES } from '../tuf/role-name.ts';
import type { KeyPlace, Outcome, RepositoryReport } from './report.ts';
import { dayOf } from './repository-check.ts';
import type { Taken } from './store-repository.ts';

/** A root certificate that ends sooner is worth a word: only a root that is published before helps. */
const WARN_MS = 365 * 86_400_000;

/** What a person is told of a repository that was taken over. */
export function reportOf(
  { repository, checked, files, lines, history }: Taken,
  outcome: Outcome,
  given: {
    readonly now: Date;
    readonly timestamp: KeyPlace;
    readonly snapshot: KeyPlace;
    readonly notes: readonly string[];
  },
): RepositoryReport {
  const { timestamp, tree } = checked.verified;
  const tags = [RELEASES, 'targets'].flatMap((role) => [
    ...(tree.roles.get(role)?.targets.keys() ?? []),
  ]);
  const delegations = tree.roles.get('targets')?.delegations ?? [];
  const soon = checked.certificateEnds.getTime() - given.now.getTime() < WARN_MS;
  return {
    gun: repository,
    outcome,
    reason: null,
    files: files.length,
    changes: lines?.count ?? 0,
    tags: new Set(tags).size,
    signers: delegations
      .filter(({ name }) => name !== RELEASES)
      .map(({ name }) => name.slice('targets/'.length)),
    signedBefore: history.before,
    keys: { timestamp: given.timestamp, snapshot: given.snapshot },
    readOnlyFrom: given.timestamp === 'here' ? null : dayOf(timestamp.expires),
    certificateEnds: dayOf(checked.certificateEnds),
    notes: [
      ...checked.expired,
      ...[...tree.unreadable].map(([role, why]) => `${role} does not count: ${why.message}`),
      ...(soon
        ? [
            `the root certificate ends on ${dayOf(checked.certificateEnds)}: rotate the root key before`,
          ]
        : []),
      ...(history.left > 0
        ? [`${history.left} tags of long ago, by digest and key, were too many to be put on record`]
        : []),
      ...given.notes,
    ],
  };
}
