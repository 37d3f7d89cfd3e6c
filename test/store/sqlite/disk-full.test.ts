import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { spawnSync } from 'node:child_process';
import { afterAll, describe, expect, it } from 'vitest';
import { openSqliteStore } from '../../../src/store/sqlite/sqlite-store.ts';
import type { Store } from '../../../src/store/store.ts';
import { suiteScope } from '../../support/scope.ts';
import { checkLog, digestFor, eventWrite, newHold, openAt, refusal } from '../../support/store.ts';

const clock = (): Date => new Date('2026-01-02T03:04:05Z');

/** Adds until the store refuses; returns how many events were acknowledged, and the refusal. */
async function fill(store: Store): Promise<{ readonly kept: number; readonly error: unknown }> {
  for (let kept = 0; ; kept++) {
    const manifest = Buffer.alloc(60_000, kept);
    const hold = newHold({ tag: `t${kept}`, digest: digestFor(`${kept}`), manifest });
    try {
      await store.commit([eventWrite(), { kind: 'hold-add', hold }]);
    } catch (error) {
      return { kept, error };
    }
  }
}

describe('a full disk', () => {
  const scope = suiteScope();

  it('is met as STORAGE_FULL: nothing changes, reads go on, and the store opens again', async () => {
    const data = mkdtempSync(join(scope.folder(), 'data-'));
    const store = await openSqliteStore({ data, clock, maxPages: 200 });
    const { kept, error } = await fill(store);
    expect(error).toEqual(refusal('STORAGE_FULL'));
    expect(kept).toBeGreaterThan(3);
    const many = await Promise.allSettled(
      Array.from({ length: 20 }, () =>
        store.commit([{ kind: 'hold-add', hold: newHold({ manifest: Buffer.alloc(500_000) }) }]),
      ),
    );
    for (const one of many) expect(one).toMatchObject({ reason: { code: 'STORAGE_FULL' } });
    expect(await checkLog(store)).toHaveLength(kept);
    expect(await store.holds({ states: ['waiting'] })).toHaveLength(kept);
    // A final state drops its manifest: that room serves again without a restart.
    await store.commit([{ kind: 'hold-move', id: 1, from: 'waiting', to: 'expired' }]);
    await store.commit([eventWrite()]);
    await store.close();
    const again = await openAt(data);
    expect(await checkLog(again)).toHaveLength(kept + 1);
    await again.close();
  });

  const mount = mkdtempSync(join(tmpdir(), 'countersign-full-'));
  const mounted =
    spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', mount], { stdio: 'ignore' })
      .status === 0;
  afterAll(() => {
    if (mounted) spawnSync('umount', [mount]);
    rmSync(mount, { recursive: true, force: true });
  });

  it.skipIf(!mounted)(
    'of a real file system (needs the right to mount one) is recovered from when space is back',
    async () => {
      const data = join(mount, 'data');
      mkdirSync(data);
      const ballast = join(mount, 'ballast');
      writeFileSync(ballast, Buffer.alloc(600_000));
      const store = await openAt(data);
      const { kept, error } = await fill(store);
      expect(error).toEqual(refusal('STORAGE_FULL'));
      expect(kept).toBeGreaterThan(0);
      const mark = readFileSync(join(data, 'high-water.json'), 'utf8');
      await expect(
        store.commit([{ kind: 'hold-add', hold: newHold({ manifest: Buffer.alloc(1_000_000) }) }]),
      ).rejects.toEqual(refusal('STORAGE_FULL'));
      expect(readFileSync(join(data, 'high-water.json'), 'utf8')).toBe(mark);
      expect(await checkLog(store)).toHaveLength(kept);
      rmSync(ballast);
      const { events } = await store.commit([eventWrite()]);
      expect(events[0]?.index).toBe(kept);
      await store.close();
      const again = await openAt(data);
      expect(await checkLog(again)).toHaveLength(kept + 1);
      await again.close();
    },
  );
});
