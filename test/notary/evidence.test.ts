import { describe, expect, it } from 'vitest';
import { digestOf } from '../../src/oci/digest.ts';
import { lookUpTag } from '../../src/tuf/lookup.ts';
import { adoptionOf } from '../../src/notary/adopt.ts';
import { unwrap } from '../../src/lib/result.ts';
import {
  begin,
  gunOf,
  makeOwner,
  notarySuite,
  publishFiles,
  targetsFile,
} from '../support/notary-service.ts';
import type { Hand } from '../support/tuf.ts';
import { makeHand, resign, roleOf } from '../support/tuf.ts';

const gun = gunOf('team/app');
const DAY = 86_400_000;
const digest = (text: string) => digestOf(Buffer.from(text));

describe('trust data as evidence', () => {
  const start = notarySuite();

  it('are verified once for all who ask, and again after each publish, deletion or reset, and only then', async () => {
    const stage = await start();
    const { notary } = stage;
    const owner = await makeOwner(stage, gun);
    expect(await notary.trustData(gun)).toBeNull();
    await begin(stage, owner);
    const all = await Promise.all(Array.from({ length: 10 }, () => notary.trustData(gun)));
    expect(new Set(all).size).toBe(1);
    const [first] = all;
    // What changes elsewhere, and what is refused, is no change here.
    await begin(stage, await makeOwner(stage, gunOf('team/other')));
    await publishFiles(stage, gun, { targets: await owner.targets(1, {}) });
    expect(await notary.trustData(gun)).toBe(first);
    await publishFiles(stage, gun, { targets: await owner.targets(2, { latest: 'two' }) });
    const second = await notary.trustData(gun);
    expect(second).not.toBe(first);
    const tree = unwrap(
      second?.current ?? { ok: false, refusal: { code: 'INTERNAL', message: '' } },
    ).tree;
    expect(lookUpTag(tree, 'latest')).toMatchObject({ entry: { digest: digest('two') } });
    await notary.reset(gun, 'admin', 'test');
    expect(await notary.trustData(gun)).not.toBe(second);
    await notary.remove(gun, 'admin');
    expect(await notary.trustData(gun)).toBeNull();
  });

  it('end with what they stand on: a delegation that expired is set aside, targets that did are refused', async () => {
    const stage = await start();
    const owner = await makeOwner(stage, gun);
    const bob = await makeHand();
    const soon = new Date(stage.now.getTime() + DAY);
    await publishFiles(stage, gun, {
      root: await owner.root(1),
      targets: await owner.targets(1, { a: 'one' }, [roleOf('targets/bob', [bob])]),
      'targets/bob': await targetsFile(1, { b: 'two' }, [bob], { expires: soon }),
    });
    const fresh = (await stage.notary.trustData(gun))?.current;
    expect(fresh?.ok === true && fresh.value.expires.getTime() <= soon.getTime()).toBe(true);
    stage.now = new Date(soon.getTime() + 1000);
    const later = (await stage.notary.trustData(gun))?.current;
    expect(later?.ok === true && [...later.value.tree.unreadable.keys()]).toEqual(['targets/bob']);
    stage.now = new Date(stage.now.getTime() + 3 * 365 * DAY);
    expect((await stage.notary.trustData(gun))?.current).toMatchObject({
      ok: false,
      refusal: { code: 'TRUST_DATA_EXPIRED' },
    });
  });

  it('know when an entry was published first, whatever came later', async () => {
    const stage = await start();
    const owner = await makeOwner(stage, gun);
    const begun = stage.now.getTime();
    await begin(stage, owner, { latest: 'one' });
    stage.now = new Date(begun + DAY);
    await publishFiles(stage, gun, { targets: await owner.targets(2, { latest: 'two' }) });
    stage.now = new Date(begun + 2 * DAY);
    await publishFiles(stage, gun, { targets: await owner.targets(3, { latest: 'one' }) });
    const data = await stage.notary.trustData(gun);
    expect(await data?.publishedAt('targets', 'latest', digest('one'))).toBe(begun);
    expect(await data?.publishedAt('targets', 'latest', digest('two'))).toBe(begun + DAY);
    expect(await data?.publishedAt('targets', 'other', digest('one'))).toBeNull();
    expect(await data?.entriesOf(digest('two'), ['targets'])).toMatchObject([
      { role: 'targets', tag: 'latest' },
    ]);
  });

  it('know which keys the roots have listed, from the first one on or not at all', async () => {
    const stage = await start();
    const owner = await makeOwner(stage, gun);
    await begin(stage, owner, { latest: 'one' });
    const heir = await makeHand('ecdsa-p256');
    const root = await owner.root(2, { targets: roleOf('targets', [heir]) });
    const id = (hand: Hand): string => hand.signer.publicKey.id;
    const targets = await resign(await owner.targets(2, { latest: 'two' }), {}, [heir]);
    expect(await publishFiles(stage, gun, { root, targets })).toMatchObject({ ok: true });
    const former = await (await stage.notary.trustData(gun))?.formerKeys();
    expect(former?.targets).toEqual(new Set([id(owner.hands.targets), id(heir)]));
    expect(former?.root).toEqual(new Set([id(owner.hands.root)]));
    // Begun again with the root of today alone: what was before it is not known.
    await stage.notary.remove(gun, 'owner');
    const later = async (version: number) =>
      resign(await owner.targets(version, { latest: 'two' }), {}, [heir]);
    const begun = await publishFiles(stage, gun, { root, targets: await later(3) });
    expect(begun).toMatchObject({ ok: true });
    await publishFiles(stage, gun, { targets: await later(4) });
    const again = await stage.notary.trustData(gun);
    expect(again?.current.ok).toBe(true);
    expect(await again?.formerKeys()).toBeNull();
  });

  it('T-60: do not know it where the roots together are too large to be read for every pull', async () => {
    const stage = await start();
    const owner = await makeOwner(stage, gun);
    await begin(stage, owner, { latest: 'one' });
    const former = async () => (await stage.notary.trustData(gun))?.formerKeys();
    for (let version = 2; version <= 10; version++) {
      expect(await former()).not.toBeNull();
      const junk = `${version}`.repeat(900_000 / `${version}`.length);
      const root = await resign(await owner.root(version), { junk }, [owner.hands.root]);
      const targets = await owner.targets(version, { latest: 'one' });
      expect(await publishFiles(stage, gun, { root, targets })).toMatchObject({ ok: true });
    }
    expect(await former()).not.toBeNull();
    const root = await resign(await owner.root(11), { junk: 'x'.repeat(900_000) }, [
      owner.hands.root,
    ]);
    expect(await publishFiles(stage, gun, { root })).toMatchObject({ ok: true });
    expect(await former()).toBeNull();
  });

  it('of a repository that came by an import are those of what was verified there', async () => {
    const stage = await start();
    const owner = await makeOwner(stage, gun);
    await begin(stage, owner, { latest: 'one' });
    const data = await stage.notary.trustData(gun);
    const verified = unwrap(
      data?.current ?? { ok: false, refusal: { code: 'INTERNAL', message: '' } },
    );
    const files = [...(await stage.store.trustFiles(gun)).values()];
    const next = await start();
    const keys = await stage.store.serverKeys(gun);
    await next.store.commit([
      ...keys.map((key) => ({ kind: 'server-key', key }) as const),
      {
        kind: 'trust-files',
        repository: gun,
        files: files.map(({ role, version, bytes }) => ({ role, version, bytes })),
        imported: true,
      },
    ]);
    // Nobody vouched for what merely lies there.
    expect((await next.notary.trustData(gun))?.current).toMatchObject({ ok: false });
    await next.store.commit(adoptionOf(gun, verified));
    const last = await next.restart({ masterKey: stage.masterKey });
    expect((await last.notary.trustData(gun))?.current.ok).toBe(true);
    expect(await last.store.trustEntries(gun, digest('one'))).toHaveLength(1);
    expect(await publishFiles(last, gun, { targets: await owner.targets(2, {}) })).toMatchObject({
      ok: true,
    });
    await last.close();
  });
});
