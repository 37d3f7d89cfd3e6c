import { randomUUID } from 'node:crypto';
import { CountersignError } from '../lib/errors.ts';
import { mapParallel } from '../lib/parallel.ts';
import { masterKeyRotated } from '../log/trust-events.ts';
import type { Store } from '../store/store.ts';
import type { ServerKey } from '../store/trust-data.ts';
import type { MasterKey } from './master-key.ts';
import { sealedUnder } from './master-key.ts';

/** Keys that are sealed at a time. */
const WIDTH = 16;

/**
 * Seals every server key under another master key, in one commit, with a record of it; the number of
 * keys. Those that are sealed under the new one already are left, so that a rotation that ended between
 * the database and the key's file can be run again. Rejects with MASTER_KEY_WRONG, changing nothing,
 * where a key is sealed under neither, or as the store does.
 */
export async function rotateMasterKey(
  store: Store,
  { from, to }: { readonly from: MasterKey; readonly to: MasterKey },
  actor: string,
): Promise<number> {
  const old = (await allKeys(store)).filter((key) => sealedUnder(key.sealed) !== to.id);
  if (old.length === 0) return 0;
  const other = old.find((key) => sealedUnder(key.sealed) !== from.id);
  if (other !== undefined) {
    const under = sealedUnder(other.sealed).slice(0, 12);
    throw new CountersignError(
      'MASTER_KEY_WRONG',
      `expected the master key ${under} that the server keys are sealed under, found ${from.id.slice(0, 12)}; nothing was changed`,
    );
  }
  const keys = await mapParallel(old, WIDTH, async ({ id, repository, sealed }) => ({
    id,
    repository,
    sealed: await to.seal(await from.open(sealed)),
  }));
  const fact = { from: from.id, to: to.id, keys: keys.length };
  await store.commit([
    { kind: 'event', event: masterKeyRotated(fact, actor, randomUUID()) },
    { kind: 'server-key-sealed', keys },
  ]);
  return keys.length;
}

async function allKeys(store: Store): Promise<readonly ServerKey[]> {
  const keys: ServerKey[] = [];
  for (;;) {
    const page = await store.serverKeys(null, keys.at(-1)?.id ?? '');
    if (page.length === 0) return keys;
    keys.push(...page);
  }
}
