import { describe, expect, it } from 'vitest';
import {
  begin,
  gunOf,
  makeOwner,
  notarySuite,
  servedListing,
  snapshotFile,
  publishFiles,
  wholeStore,
} from '../support/notary-service.ts';
import { makeHand } from '../support/tuf.ts';

const gun = gunOf('team/app');
const DAY = 86_400_000;
const later = (from: Date, days: number): Date => new Date(from.getTime() + days * DAY);

describe('what the server signed and has expired', () => {
  const start = notarySuite();

  it('is signed anew by whoever asks first: one new version for all who ask at once, one line in the feed', async () => {
    const stage = await start();
    const owner = await makeOwner(stage, gun);
    await begin(stage, owner);
    const old = await servedListing(stage, gun, 'timestamp');
    stage.now = later(stage.now, 15);
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => stage.notary.current(gun, 'timestamp')),
    );
    expect(new Set(answers.map((one) => one?.version))).toEqual(new Set([2]));
    expect(new Set(answers.map((one) => one?.sha256)).size).toBe(1);
    const fresh = await servedListing(stage, gun, 'timestamp');
    expect(fresh.expires.getTime() - stage.now.getTime()).toBeGreaterThan(13.9 * DAY);
    expect(fresh.meta).toEqual(old.meta);
    expect((await servedListing(stage, gun, 'snapshot')).version).toBe(1);
    const changes = await stage.notary.changes({ repository: gun, limit: 10, after: 0 });
    expect(changes.map(({ version, sha256 }) => [version, sha256])).toEqual([
      [1, expect.any(String)],
      [2, answers[0]?.sha256],
    ]);
    // The one that has expired is there for ever by its version.
    expect((await stage.notary.stored(gun, 'timestamp', { version: 1 }))?.version).toBe(1);
  });

  it('is served by one of two processes’ lives as by the other: the second has it stored already', async () => {
    const stage = await start();
    const owner = await makeOwner(stage, gun);
    await begin(stage, owner);
    stage.now = later(stage.now, 15);
    const first = await stage.notary.current(gun, 'timestamp');
    const again = await stage.restart();
    expect(await again.notary.current(gun, 'timestamp')).toEqual(first);
    await again.close();
  });

  it('is the snapshot too, and then the timestamp with it', async () => {
    const stage = await start();
    const owner = await makeOwner(stage, gun);
    await begin(stage, owner);
    stage.now = later(stage.now, 3 * 365 + 1);
    const snapshot = await servedListing(stage, gun, 'snapshot');
    const timestamp = await servedListing(stage, gun, 'timestamp');
    expect([snapshot.version, timestamp.version]).toEqual([2, 2]);
    expect(snapshot.expires > stage.now).toBe(true);
    const sha256 = timestamp.meta.get('snapshot')?.sha256 ?? '';
    expect((await stage.notary.stored(gun, 'snapshot', { sha256 }))?.version).toBe(2);
  });

  it('is not signed by asking for what clients sign, nor by asking while it is fresh', async () => {
    const stage = await start();
    const owner = await makeOwner(stage, gun);
    await begin(stage, owner);
    const before = wholeStore(stage);
    await stage.notary.current(gun, 'timestamp');
    stage.now = later(stage.now, 15);
    for (const role of ['root', 'targets', 'targets/none']) await stage.notary.current(gun, role);
    expect(wholeStore(stage)).toEqual(before);
  });

  it('stays as it is where its client signs the snapshot, or the root has ended', async () => {
    const stage = await start();
    const snapshotKey = await makeHand('ecdsa-p256');
    const owner = await makeOwner(stage, gun, { snapshot: snapshotKey });
    const root = await owner.root(1);
    const targets = await owner.targets(1, {});
    const snapshot = await snapshotFile(1, { root, targets }, [snapshotKey]);
    await publishFiles(stage, gun, { root, targets, snapshot });
    stage.now = later(stage.now, 3 * 365 + 1);
    expect((await stage.notary.current(gun, 'timestamp'))?.version).toBe(2);
    expect((await stage.notary.current(gun, 'snapshot'))?.bytes).toEqual(snapshot);
    expect(stage.logged.join('')).toContain('cannot be signed anew here');
    stage.now = later(stage.now, 8 * 365);
    const before = wholeStore(stage);
    expect((await stage.notary.current(gun, 'timestamp'))?.version).toBe(2);
    expect(wholeStore(stage)).toEqual(before);
  });

  it('does not decide for the gate: what clients signed counts as long as they said, whoever asked', async () => {
    const stage = await start();
    const owner = await makeOwner(stage, gun);
    await begin(stage, owner);
    stage.now = later(stage.now, 15);
    const before = wholeStore(stage);
    expect((await stage.notary.trustData(gun))?.current.ok).toBe(true);
    expect(wholeStore(stage)).toEqual(before);
    stage.now = later(stage.now, 3 * 365);
    expect((await stage.notary.trustData(gun))?.current).toMatchObject({
      ok: false,
      refusal: {
        code: 'TRUST_DATA_EXPIRED',
        message: expect.stringMatching(/^targets expired/) as string,
      },
    });
  });
});
