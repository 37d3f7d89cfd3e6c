import { trustImported } from '../log/import-event.ts';
import type { Repository } from '../oci/reference.ts';
import type { Write } from '../store/store.ts';
import type { ServerKey, TrustChange } from '../store/trust-data.ts';
import type { MissingLines } from './feed.ts';
import { adoptionOf } from '../notary/adopt.ts';
import { statementsOf } from '../notary/statement.ts';
import { sealServerKey } from '../notary/server-keys.ts';
import type { SignedHistory } from './past-entries.ts';
import type { CheckedRepository } from './repository-check.ts';
import type { OpenedKey } from './signer-key.ts';
import type { ImportTarget } from './target.ts';

/** What is taken over of one repository. */
export interface Taken {
  readonly repository: Repository;
  readonly checked: CheckedRepository;
  readonly files: CheckedRepository['files'];
  /** Who signed what, of all the files that are here after it. */
  readonly history: SignedHistory;
  readonly keys: readonly OpenedKey[];
  /** `null`: they cannot keep their ids. */
  readonly lines: MissingLines | null;
  /** True where the feed goes on under its own ids. */
  readonly kept: boolean;
}

/**
 * Stores it, all of it in one commit; with `--dry-run` nothing. Only of a feed that is too long for one
 * commit the older lines go before: a line more says nothing of what is here, and an import that was cut
 * off between goes on with the next one. Throws as the store does.
 */
export async function storeRepository(
  { writes, now }: ImportTarget,
  source: string,
  { repository, checked, files, history, keys, lines, kept }: Taken,
): Promise<void> {
  if (writes === null) return;
  const { root, timestamp } = checked.verified;
  const sealed: ServerKey[] = [];
  for (const { privateKey, role, createdAt, usedAt } of keys) {
    const of = { repository, role, createdAt: createdAt ?? now.getTime(), usedAt };
    sealed.push(await sealServerKey(writes.masterKey, privateKey, of));
  }
  const [keyId = ''] = root.roles.root.keys.keys();
  const record = {
    repository,
    source,
    root: { version: root.version, keyId },
    timestamp: timestamp.version,
    keys: keys.map(({ id }) => id),
    files: files.length,
  };
  const list: Write[] = [{ kind: 'event', event: trustImported(record, writes.actor) }];
  if (files.length > 0) {
    const marked = kept ? ({ imported: true } as const) : {};
    const stored = files.map(({ role, version, bytes }) => ({ role, version, bytes }));
    list.push({ kind: 'trust-files', repository, files: stored, ...marked });
    list.push(...adoptionOf(repository, checked.verified, history.entries));
    const statements = statementsOf(stored);
    list.push({ kind: 'trust-statements', repository, statements, imported: true });
  }
  for (const key of sealed) list.push({ kind: 'server-key', key });
  let newest: readonly TrustChange[] = [];
  for await (const batch of lines?.batches() ?? []) {
    if (newest.length > 0) await writes.store.commit([{ kind: 'trust-changes', changes: newest }]);
    newest = batch;
  }
  if (newest.length > 0) list.push({ kind: 'trust-changes', changes: newest });
  await writes.store.commit(list);
}
