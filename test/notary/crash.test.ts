import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadMasterKey } from '../../src/notary/master-key.ts';
import { digestOf } from '../../src/oci/digest.ts';
import { startChild, waitFor } from '../support/child.ts';
import { begin, gunOf, makeOwner, startNotary } from '../support/notary-service.ts';
import { suiteScope } from '../support/scope.ts';
import { checkLog } from '../support/store.ts';

const CHILD = join(import.meta.dirname, '../support/notary-child.ts');
const gun = gunOf('team/app');
const ROUNDS = 4;
const UPLOADS = 400;

describe('a service that is killed while it publishes', () => {
  const scope = suiteScope();

  it('has stored each publish whole or not at all, and every one that it acknowledged', async () => {
    const data = mkdtempSync(join(scope.folder(), 'killed-'));
    const uploads = join(data, 'uploads');
    mkdirSync(uploads);
    const clock = (): Date => new Date();
    const masterKey = await loadMasterKey({ file: join(data, 'master.key'), make: true });
    const first = await startNotary(data, { masterKey, clock });
    first.now = clock();
    const owner = await makeOwner(first, gun);
    expect(await begin(first, owner, { latest: 'content 1' })).toMatchObject({ ok: true });
    await first.close();
    for (let version = 2; version < UPLOADS; version++) {
      const bytes = await owner.targets(version, { latest: `content ${version}` });
      writeFileSync(join(uploads, `${version}.json`), bytes);
    }
    let next = 2;
    for (let round = 0; round < ROUNDS; round++) {
      const child = startChild(process.execPath, [CHILD, data, uploads, gun, `${next}`]);
      const lines = 2 + round * 3;
      await waitFor(child, 'the service', () =>
        child.stdout().split('\n').length > lines ? true : undefined,
      );
      await child.kill();
      const acknowledged = Number(child.stdout().split('\n').at(-2));
      const stage = await startNotary(data, { masterKey, clock });
      const files = await stage.store.trustFiles(gun);
      const stored = files.get('targets')?.version ?? 0;
      expect(stored).toBeGreaterThanOrEqual(acknowledged);
      // Everything of one publish is there, and nothing of the next.
      expect(files.get('snapshot')?.version).toBe(stored);
      expect(files.get('timestamp')?.version).toBe(stored);
      const changes = await stage.notary.changes({ repository: gun, limit: 1000, after: 0 });
      expect(changes.map(({ version }) => version)).toEqual(
        Array.from({ length: stored }, (_, n) => n + 1),
      );
      const events = await checkLog(stage.store);
      expect(events.filter(({ type }) => type === 'trust-published')).toHaveLength(stored);
      expect((await stage.store.trustPin(gun))?.seen.get('targets')).toBe(stored);
      const entries = await stage.store.trustEntries(
        gun,
        digestOf(Buffer.from(`content ${stored}`)),
      );
      expect(entries).toHaveLength(1);
      expect((await stage.notary.trustData(gun))?.current.ok).toBe(true);
      await stage.close();
      next = stored + 1;
    }
  }, 120_000);
});
