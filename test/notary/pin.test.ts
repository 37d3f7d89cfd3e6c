import { describe, expect, it } from 'vitest';
import type { NotaryPorts } from '../../src/notary/ports.ts';
import { digestOf } from '../../src/oci/digest.ts';
import { canonicalKeyId } from '../../src/tuf/public-key.ts';
import type { NotaryStage } from '../support/notary-service.ts';
import {
  begin,
  faultOf,
  gunOf,
  makeOwner,
  notarySuite,
  publishFiles,
  refusedFiles,
} from '../support/notary-service.ts';
import { allEvents } from '../support/store.ts';
import { makeHand, roleOf } from '../support/tuf.ts';

const gun = gunOf('team/app');
const EVIL = digestOf(Buffer.from('evil'));

/** Why trust data do not count; `ok` where they do. */
async function verdict({ notary }: NotaryStage): Promise<string> {
  const data = await notary.trustData(gun);
  if (data === null) return 'none';
  return data.current.ok ? 'ok' : `${data.current.refusal.code}: ${data.current.refusal.message}`;
}

describe('the root that a repository is held to', () => {
  const start = notarySuite();

  it('moves on with each root that the one before signed', async () => {
    const stage = await start();
    const owner = await makeOwner(stage, gun);
    await begin(stage, owner);
    const heir = await makeHand('ecdsa-p256', { gun, now: stage.now });
    const roles = { root: roleOf('root', [heir]) };
    const root = await owner.root(2, roles, [owner.hands.root, heir]);
    expect(await publishFiles(stage, gun, { root })).toMatchObject({ ok: true });
    expect(await verdict(stage)).toBe('ok');
    expect((await stage.store.trustPin(gun))?.root).toEqual(root);
    const next = await owner.root(3, roles, [heir]);
    expect(await publishFiles(stage, gun, { root: next })).toMatchObject({ ok: true });
    expect((await stage.store.trustPin(gun))?.root).toEqual(next);
    expect(await verdict(stage)).toBe('ok');
    const [event] = await stage.store.events({ limit: 1, type: 'trust-published' });
    expect(event?.data).toMatchObject({ pin: 'moved', believed: true });
  });

  it('does not move to one that the old key did not sign, which is refused as long as files are there', async () => {
    const stage = await start();
    await begin(stage, await makeOwner(stage, gun));
    const thief = await makeOwner(stage, gun);
    const root = await thief.root(2);
    expect(await refusedFiles(stage, gun, { root, targets: await thief.targets(2, {}) })).toEqual(
      faultOf(
        'ErrBadRoot',
        'could not rotate trust to a new trusted root: failed to validate data with current trusted certificates',
      ),
    );
  });

  it('outlives deletion: another root is served to clients, and denied by the gate until a reset', async () => {
    const stage = await start();
    const owner = await makeOwner(stage, gun);
    await begin(stage, owner, { latest: 'one' });
    const pinned = (await stage.notary.current(gun, 'root'))?.bytes;
    await stage.notary.remove(gun, 'eve');
    expect(await stage.notary.current(gun, 'root')).toBeNull();
    expect(await verdict(stage)).toBe('none');
    const thief = await makeOwner(stage, gun);
    expect(await begin(stage, thief, { latest: 'evil' })).toEqual({ ok: true, signed: [] });
    expect((await stage.notary.current(gun, 'targets'))?.version).toBe(1);
    expect(await verdict(stage)).toMatch(
      /^ROOT_NOT_PINNED: not the pinned root; countersign root reset by an administrator /,
    );
    expect((await stage.store.trustPin(gun))?.root).toEqual(pinned);
    // Nothing of it is on record as signed, now or once the owner is back.
    expect(await stage.store.trustEntries(gun, EVIL)).toEqual([]);
    const signed = await stage.store.events({ limit: 10, type: 'signature' });
    expect(signed.map(({ digest }) => digest)).not.toContain(EVIL);
    const restarted = await stage.restart();
    expect(await verdict(restarted)).toMatch(/^ROOT_NOT_PINNED/);
    await restarted.notary.reset(gun, 'admin', 'the owner lost his key');
    expect(await verdict(restarted)).toBe('ok');
    expect(await restarted.store.trustEntries(gun, EVIL)).toHaveLength(1);
    const types = (await allEvents(restarted.store)).map(({ type, actor }) => `${type} ${actor}`);
    expect(types).toEqual([
      'trust-published alice',
      'signature alice',
      'trust-deleted eve',
      'trust-published alice',
      'trust-reset admin',
    ]);
    await restarted.close();
  });

  it('does not count old files either: begun again by the same root with lower versions than were seen', async () => {
    const stage = await start();
    const owner = await makeOwner(stage, gun);
    const root = await owner.root(1);
    const old = await owner.targets(1, { latest: 'one' });
    await publishFiles(stage, gun, { root, targets: old });
    for (const version of [2, 3])
      await publishFiles(stage, gun, {
        targets: await owner.targets(version, { latest: `${version}` }),
      });
    await stage.notary.remove(gun, 'eve');
    // All of it was signed by the owner once.
    expect(await publishFiles(stage, gun, { root, targets: old })).toEqual({
      ok: true,
      signed: [],
    });
    expect(await verdict(stage)).toMatch(
      /^TRUST_DATA_ROLLBACK: older than what was seen; countersign root reset by an administrator /,
    );
    const restarted = await stage.restart();
    expect(await verdict(restarted)).toMatch(/^TRUST_DATA_ROLLBACK/);
    await restarted.close();
  });

  it('is whatever comes next after a reset of a repository that has no files', async () => {
    const stage = await start();
    await begin(stage, await makeOwner(stage, gun));
    await stage.notary.remove(gun, 'admin');
    await stage.notary.reset(gun, 'admin', 'begun again');
    const next = await makeOwner(stage, gun);
    expect(await begin(stage, next)).toMatchObject({ ok: true, signed: [expect.any(String)] });
    expect(await verdict(stage)).toBe('ok');
  });

  it('raises the trust revision when it is reset, and is not there to be deleted twice', async () => {
    const stage = await start();
    await begin(stage, await makeOwner(stage, gun));
    const before = await stage.store.trustRevision();
    await stage.notary.reset(gun, 'admin', 'test');
    expect(await stage.store.trustRevision()).toBe(before + 1);
    await stage.notary.remove(gun, 'eve');
    await stage.notary.remove(gun, 'eve');
    const changes = await stage.notary.changes({ repository: gun, limit: 10, after: 0 });
    expect(changes.map(({ category }) => category)).toEqual(['update', 'deletion']);
    expect(await stage.store.events({ limit: 10, type: 'trust-deleted' })).toHaveLength(1);
  });
});

describe('a root that policy pins', () => {
  const start = notarySuite();
  const pinned = async (
    idOf: (hand: Awaited<ReturnType<typeof makeHand>>) => string,
  ): Promise<{ stage: NotaryStage; root: Awaited<ReturnType<typeof makeHand>> }> => {
    const root = await makeHand('ecdsa-p256', { gun, now: new Date('2026-11-22T12:00:00Z') });
    const pins: NotaryPorts['pinnedRoots'] = (name) => (name === gun ? [[idOf(root)]] : null);
    return { stage: await start({ pinnedRoots: pins }), root };
  };

  it.each([
    ['its listing', (hand: { readonly keyid: string }) => hand.keyid],
    ['its key store', (hand: Awaited<ReturnType<typeof makeHand>>) => canonicalKeyId(hand.key)],
    ['our own', (hand: Awaited<ReturnType<typeof makeHand>>) => hand.key.key?.id ?? ''],
  ] as const)('by the id of %s lets somebody begin who may not push, once', async (_name, idOf) => {
    const { stage, root } = await pinned(idOf);
    const owner = await makeOwner(stage, gun, { root });
    const files = { root: await owner.root(1), targets: await owner.targets(1, {}) };
    expect(await refusedFiles(stage, gun, { targets: files.targets }, false)).toEqual({
      code: 'FORBIDDEN',
    });
    expect(await publishFiles(stage, gun, files, false)).toMatchObject({ ok: true });
    const next = { targets: await owner.targets(2, {}) };
    expect(await refusedFiles(stage, gun, next, false)).toEqual({ code: 'FORBIDDEN' });
    expect(await publishFiles(stage, gun, next)).toMatchObject({ ok: true });
  });

  it('lets nobody begin with another root, whatever his rights', async () => {
    const { stage } = await pinned((hand) => hand.keyid);
    const thief = await makeOwner(stage, gun);
    const files = { root: await thief.root(1), targets: await thief.targets(1, {}) };
    expect(await refusedFiles(stage, gun, files)).toEqual(
      faultOf('ErrBadRoot', /pins other root keys/),
    );
    expect(await refusedFiles(stage, gun, files, false)).toEqual({ code: 'FORBIDDEN' });
  });

  it('lets no rotation leave it, and its absence lets nobody begin who may not push', async () => {
    const { stage, root } = await pinned((hand) => hand.keyid);
    const owner = await makeOwner(stage, gun, { root });
    await begin(stage, owner);
    const heir = await makeHand('ecdsa-p256', { gun, now: stage.now });
    const away = await owner.root(2, { root: roleOf('root', [heir]) }, [root, heir]);
    expect(await refusedFiles(stage, gun, { root: away })).toEqual(
      faultOf('ErrBadRoot', /pins other root keys/),
    );
    const elsewhere = gunOf('team/other');
    const other = await makeOwner(stage, elsewhere);
    const files = { root: await other.root(1), targets: await other.targets(1, {}) };
    expect(await refusedFiles(stage, elsewhere, files, false)).toEqual({ code: 'FORBIDDEN' });
  });
});
