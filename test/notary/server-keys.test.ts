import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { newMasterKeyText, parseMasterKey } from '../../src/notary/master-key.ts';
import { pkcs8Of } from '../../src/keys/private-key.ts';
import { tufKeyId } from '../../src/tuf/public-key.ts';
import {
  begin,
  gunOf,
  makeOwner,
  notarySuite,
  publishFiles,
  servedListing,
  wholeStore,
} from '../support/notary-service.ts';
import { refusal } from '../support/store.ts';
import { makeHand, roleOf } from '../support/tuf.ts';

const gun = gunOf('team/app');
const WRONG = refusal('MASTER_KEY_WRONG');

describe('the keys of the server', () => {
  const start = notarySuite();

  it('are one for each role and repository until they have signed, then the one that the root lists', async () => {
    const stage = await start();
    const first = await stage.notary.key(gun, 'timestamp');
    expect(first).toMatchObject({ keytype: 'ecdsa', keyval: { private: null } });
    const again = await Promise.all(
      Array.from({ length: 5 }, () => stage.notary.key(gun, 'timestamp')),
    );
    expect(again).toEqual(Array.from({ length: 5 }, () => first));
    expect(await stage.notary.key(gun, 'snapshot')).not.toEqual(first);
    expect(await stage.notary.key(gunOf('team/other'), 'timestamp')).not.toEqual(first);
    await begin(stage, await makeOwner(stage, gun));
    expect(await stage.notary.key(gun, 'timestamp')).toEqual(first);
    expect((await stage.store.serverKeys(gun)).map(({ usedAt }) => usedAt)).toEqual([
      expect.any(Number),
      expect.any(Number),
    ]);
  });

  it('are rotated to a new one that waits for its first use, and signs once a root lists it', async () => {
    const stage = await start();
    const owner = await makeOwner(stage, gun);
    await begin(stage, owner);
    const fresh = await stage.notary.rotateKey(gun, 'timestamp');
    expect(await stage.notary.rotateKey(gun, 'timestamp')).toEqual(fresh);
    const id = tufKeyId(fresh.keytype, fresh.keyval.public);
    expect(id).not.toBe(owner.serverKeys.timestamp.id);
    // Until then the old one is in use.
    expect(await stage.notary.key(gun, 'timestamp')).not.toEqual(fresh);
    const rotated = await makeOwner(stage, gun, { root: owner.hands.root });
    const key = { ...rotated.serverKeys.timestamp, id, public: fresh.keyval.public };
    const root = await owner.root(2, {
      timestamp: { ...roleOf('timestamp', []), keys: new Map([[id, key]]) },
    });
    expect(await publishFiles(stage, gun, { root })).toMatchObject({ ok: true });
    const timestamp = await servedListing(stage, gun, 'timestamp');
    expect(timestamp.envelope.signatures.map(({ keyid }) => keyid)).toEqual([id]);
    expect(await stage.notary.key(gun, 'timestamp')).toEqual(fresh);
    expect(await stage.notary.rotateKey(gun, 'timestamp')).not.toEqual(fresh);
  });

  it('are of the configured type, and those of the other type go on signing', async () => {
    const stage = await start();
    const owner = await makeOwner(stage, gun);
    await begin(stage, owner);
    const next = await stage.restart({ keyType: 'ed25519' });
    const fresh = await next.notary.rotateKey(gun, 'snapshot');
    expect(fresh.keytype).toBe('ed25519');
    expect(Buffer.from(fresh.keyval.public, 'base64')).toHaveLength(32);
    expect(await publishFiles(next, gun, { targets: await owner.targets(2, {}) })).toMatchObject({
      ok: true,
    });
    const other = gunOf('team/ed25519');
    const ed25519 = await makeOwner(next, other);
    expect(await begin(next, ed25519)).toMatchObject({ ok: true });
    expect((await next.notary.trustData(other))?.current.ok).toBe(true);
    await next.close();
  });

  it('whose root lists a key that the server does not have cannot publish, and is told so', async () => {
    const stage = await start();
    const owner = await makeOwner(stage, gun);
    const stranger = await makeHand();
    const targets = await owner.targets(1, {});
    const before = wholeStore(stage);
    const timestamp = await owner.root(1, { timestamp: roleOf('timestamp', [stranger]) });
    expect(await publishFiles(stage, gun, { root: timestamp, targets })).toMatchObject({
      refusal: {
        detail: { Name: 'ErrBadRoot', Error: { Msg: 'no  timestamp keys exist on the server' } },
      },
    });
    // Another repository's key is not this one's.
    const theirs = await makeOwner(stage, gunOf('team/other'));
    const after = wholeStore(stage);
    const root = await owner.root(1, {
      snapshot: {
        ...roleOf('snapshot', []),
        keys: new Map([[theirs.serverKeys.snapshot.id, theirs.serverKeys.snapshot]]),
      },
    });
    expect(await publishFiles(stage, gun, { root, targets })).toMatchObject({
      refusal: { detail: { Name: 'ErrBadHierarchy' } },
    });
    expect(wholeStore(stage)).toEqual(after);
    expect(after['trust_file']).toEqual(before['trust_file']);
  });

  it('lie in the database only sealed, and nowhere in what is logged or shown', async () => {
    const stage = await start();
    const owner = await makeOwner(stage, gun);
    await begin(stage, owner);
    const keys = await stage.store.serverKeys(gun);
    const database = Buffer.concat(
      ['countersign.db', 'countersign.db-wal'].map((name) => readFileSync(join(stage.data, name))),
    );
    expect(database.includes(keys[0]?.sealed ?? 'none')).toBe(true);
    const shown = [
      inspect(stage.masterKey, { depth: 9 }),
      inspect(stage.notary, { depth: 9 }),
      ...stage.logged,
    ].join('\n');
    for (const { sealed } of keys) {
      const der = pkcs8Of(await stage.masterKey.open(sealed));
      const secret = der.subarray(36, 68);
      expect(database.includes(secret)).toBe(false);
      for (const form of ['hex', 'base64', 'base64url'] as const)
        expect(shown).not.toContain(secret.toString(form).slice(0, 32));
    }
  });

  it('are of no use under another master key: reads go on, publishes and key requests are refused with nothing changed', async () => {
    const stage = await start();
    const owner = await makeOwner(stage, gun);
    await begin(stage, owner);
    expect(await stage.notary.health()).toEqual({});
    const text = newMasterKeyText();
    const wrong = await stage.restart({ masterKey: parseMasterKey(text) });
    const before = wholeStore(wrong);
    expect(await wrong.notary.health()).toEqual({
      'Trust operational': expect.stringMatching(
        new RegExp(`^expected the master key ${stage.masterKey.id.slice(0, 12)} `),
      ) as string,
    });
    expect((await wrong.notary.current(gun, 'timestamp'))?.version).toBe(1);
    expect((await wrong.notary.trustData(gun))?.current.ok).toBe(true);
    const failures = await Promise.allSettled([
      publishFiles(wrong, gun, { targets: await owner.targets(2, { latest: 'two' }) }),
      wrong.notary.rotateKey(gun, 'timestamp'),
      wrong.notary.key(gunOf('team/new'), 'timestamp'),
    ]);
    for (const failure of failures) {
      expect(failure).toMatchObject({ status: 'rejected', reason: WRONG });
      const said = inspect(failure, { depth: 9 });
      expect(said).not.toContain(text.trim());
    }
    expect(wholeStore(wrong)).toEqual(before);
    wrong.now = new Date(wrong.now.getTime() + 15 * 86_400_000);
    await expect(wrong.notary.current(gun, 'timestamp')).rejects.toEqual(WRONG);
    expect((await wrong.notary.current(gun, 'targets'))?.version).toBe(1);
    const right = await wrong.restart({ masterKey: stage.masterKey });
    expect((await right.notary.current(gun, 'timestamp'))?.version).toBe(2);
    expect(await right.notary.health()).toEqual({});
    await right.close();
  });

  it('that were altered or swapped in the database sign nothing', async () => {
    const stage = await start();
    const owner = await makeOwner(stage, gun);
    await begin(stage, owner);
    const [first, second] = await stage.store.serverKeys(gun);
    if (first === undefined || second === undefined) throw new Error('expected two keys');
    await stage.store.commit([
      { kind: 'server-key-sealed', keys: [{ ...first, sealed: second.sealed }] },
    ]);
    const next = await stage.restart();
    const before = wholeStore(next);
    await expect(publishFiles(next, gun, { targets: await owner.targets(2, {}) })).rejects.toEqual(
      WRONG,
    );
    expect(wholeStore(next)).toEqual(before);
    const broken = second.sealed.replace(/.{4}$/, 'AAAA');
    await next.store.commit([{ kind: 'server-key-sealed', keys: [{ ...first, sealed: broken }] }]);
    const last = await next.restart();
    await expect(publishFiles(last, gun, { targets: await owner.targets(2, {}) })).rejects.toEqual(
      WRONG,
    );
    await last.close();
  });
});
