import { describe, expect, it } from 'vitest';
import { LIMITS } from '../../src/lib/limits.ts';
import { digestOf } from '../../src/oci/digest.ts';
import {
  begin,
  faultOf,
  gunOf,
  makeOwner,
  notarySuite,
  publishFiles,
  refusedFiles,
  servedListing,
  snapshotFile,
  targetsFile,
} from '../support/notary-service.ts';
import { checkLog } from '../support/store.ts';
import { makeHand, resign, roleOf } from '../support/tuf.ts';

const gun = gunOf('team/app');
const VERSION = { code: 'VERSION' };
const digest = (text: string): string => digestOf(Buffer.from(text));

describe('a publish', () => {
  const start = notarySuite();

  it('begins a repository: the client’s files byte for byte, a snapshot and a timestamp of the server', async () => {
    const stage = await start();
    const owner = await makeOwner(stage, gun);
    const root = await owner.root(1);
    // As docker does: the first targets are version 2, the first having been signed locally.
    const targets = await owner.targets(2, { latest: 'one' });
    expect(await publishFiles(stage, gun, { root, targets })).toEqual({
      ok: true,
      signed: [digest('one')],
    });
    expect((await stage.notary.current(gun, 'root'))?.bytes).toEqual(root);
    expect((await stage.notary.current(gun, 'targets'))?.bytes).toEqual(targets);
    const snapshot = await servedListing(stage, gun, 'snapshot');
    const timestamp = await servedListing(stage, gun, 'timestamp');
    expect([snapshot.version, timestamp.version]).toEqual([1, 1]);
    expect([...snapshot.meta.keys()].toSorted()).toEqual(['root', 'targets']);
    expect(snapshot.envelope.signatures.map(({ keyid }) => keyid)).toEqual([
      owner.serverKeys.snapshot.id,
    ]);
    expect(timestamp.envelope.signatures.map(({ keyid }) => keyid)).toEqual([
      owner.serverKeys.timestamp.id,
    ]);
    // Exactly the form in which Notary writes: no white space, no newline.
    const bytes = (await stage.notary.current(gun, 'timestamp'))?.bytes ?? Buffer.of();
    expect(Buffer.from(bytes).toString()).toMatch(/^\{"signed":\{"_type":"Timestamp".*\}\]\}$/);
  });

  it('goes on from there: each brings the next snapshot and timestamp, and says what is newly signed', async () => {
    const stage = await start();
    const owner = await makeOwner(stage, gun);
    await begin(stage, owner, { a: 'one', b: 'two' });
    const next = await publishFiles(stage, gun, {
      targets: await owner.targets(2, { a: 'one', b: 'three', c: 'one' }),
    });
    expect(next).toEqual({ ok: true, signed: [digest('three'), digest('one')] });
    expect((await servedListing(stage, gun, 'snapshot')).version).toBe(2);
    expect((await servedListing(stage, gun, 'timestamp')).version).toBe(2);
    const again = await stage.restart();
    const targets = await owner.targets(5, { a: 'one', b: 'four', c: 'one' });
    // After a restart nothing is remembered of the file before but what the store has.
    expect(await publishFiles(again, gun, { targets })).toEqual({
      ok: true,
      signed: [digest('four')],
    });
    await again.close();
  });

  it('is on record in its own commit: who, which files, and which tags were signed', async () => {
    const stage = await start();
    const owner = await makeOwner(stage, gun);
    await begin(stage, owner, { '1.0': 'one' });
    const [tag, published] = await stage.store.events({ limit: 2, log: 'sig' });
    const root = await stage.notary.current(gun, 'root');
    const targets = await stage.notary.current(gun, 'targets');
    expect(published).toMatchObject({
      type: 'trust-published',
      repository: gun,
      actor: 'alice',
      data: { fileCount: 4, pin: 'set', believed: true, signed: 1 },
    });
    expect(published?.data['files']).toEqual(
      expect.arrayContaining([{ role: 'root', version: 1, sha256: root?.sha256 }]),
    );
    expect(tag).toMatchObject({
      type: 'signature',
      repository: gun,
      tag: '1.0',
      digest: digest('one'),
      actor: 'alice',
      data: {
        format: 'dct',
        authority: 'targets',
        keyId: owner.hands.targets.key.key?.id,
        payload: `sha256:${targets?.sha256}`,
      },
    });
    await publishFiles(stage, gun, {
      targets: await owner.targets(2, { '1.0': 'one', '2.0': 'one' }),
    });
    const events = await checkLog(stage.store);
    expect(events.filter(({ type }) => type === 'signature').map((one) => one.tag)).toEqual([
      '1.0',
      '2.0',
    ]);
  });

  it('of very many tags records a bounded number of them each by itself, and all as entries', async () => {
    const stage = await start();
    const owner = await makeOwner(stage, gun);
    const tags = Object.fromEntries(
      Array.from({ length: 300 }, (_, n) => [`t${n}`, `content ${n}`]),
    );
    await begin(stage, owner, tags);
    const counts = await stage.store.counts();
    expect(counts.sig).toBe(101);
    const [published] = await stage.store.events({ limit: 1, type: 'trust-published' });
    expect(published?.data['signed']).toBe(300);
    const entries = await stage.store.trustEntries(gun, digestOf(Buffer.from('content 299')));
    expect(entries).toMatchObject([
      { role: 'targets', tag: 't299', publishedAt: stage.now.getTime() },
    ]);
  });

  it('T-60: is refused with more signatures than are checked, or more entries than are recorded', async () => {
    const stage = await start();
    const owner = await makeOwner(stage, gun);
    const bob = await makeHand('ecdsa-p256');
    await begin(stage, owner, {});
    const names = ['a', 'b', 'c', 'd', 'e'].map((name) => `targets/${name}`);
    const roles = names.map((name) => roleOf(name, [bob]));
    await publishFiles(stage, gun, { targets: await owner.targets(2, {}, roles) });
    const files: Record<string, Buffer> = {};
    for (const name of names) {
      const signed = JSON.parse((await targetsFile(1, { [name]: name }, [bob])).toString()) as {
        signatures: unknown[];
      };
      const signatures = Array.from({ length: 256 }, () => signed.signatures[0]);
      files[name] = Buffer.from(JSON.stringify({ ...signed, signatures }));
    }
    expect(await refusedFiles(stage, gun, files)).toEqual(
      faultOf('ErrValidation', 'expected at most 1024 signatures in one upload, found more'),
    );
    const hands = await Promise.all(Array.from({ length: 51 }, () => makeHand('ecdsa-p256')));
    const tags = Object.fromEntries(Array.from({ length: 2000 }, (_, n) => [`t${n}`, `${n}`]));
    const next = {
      targets: await owner.targets(3, {}, [roleOf('targets/all', hands)]),
      'targets/all': await targetsFile(1, tags, hands),
    };
    expect(await refusedFiles(stage, gun, next)).toEqual(
      faultOf('ErrValidation', /^expected at most 100000 tags in one upload, each counted once/),
    );
    const fewer = { ...next, 'targets/all': await targetsFile(1, tags, hands.slice(1)) };
    expect(await publishFiles(stage, gun, fewer)).toMatchObject({ ok: true });
  });

  it('keeps delegations apart, and records a tag once that a person and releases both name', async () => {
    const stage = await start();
    const owner = await makeOwner(stage, gun);
    const bob = await makeHand('ecdsa-p256');
    await begin(stage, owner, {});
    const roles = ['targets/bob', 'targets/releases'].map((name) => roleOf(name, [bob]));
    await publishFiles(stage, gun, { targets: await owner.targets(2, {}, roles) });
    const signed = await publishFiles(stage, gun, {
      'targets/bob': await targetsFile(1, { '1.0': 'one' }, [bob]),
      'targets/releases': await targetsFile(1, { '1.0': 'one' }, [bob]),
    });
    expect(signed).toEqual({ ok: true, signed: [digest('one')] });
    const [event] = await stage.store.events({ limit: 2, type: 'signature' });
    expect(event?.data).toMatchObject({ authority: 'targets/bob', keyId: bob.key.key?.id });
    const entries = await stage.store.trustEntries(gun, digestOf(Buffer.from('one')));
    expect(entries.map(({ role }) => role).toSorted()).toEqual(['targets/bob', 'targets/releases']);
    expect((await servedListing(stage, gun, 'snapshot')).meta.has('targets/bob')).toBe(true);
  });

  it('stores the snapshot of a client that keeps its own key, byte for byte', async () => {
    const stage = await start();
    const snapshotKey = await makeHand('ecdsa-p256');
    const owner = await makeOwner(stage, gun, { snapshot: snapshotKey });
    const root = await owner.root(1);
    const targets = await owner.targets(2, { a: 'one' });
    const snapshot = await snapshotFile(2, { root, targets }, [snapshotKey]);
    expect(await publishFiles(stage, gun, { root, targets, snapshot })).toMatchObject({ ok: true });
    expect((await stage.notary.current(gun, 'snapshot'))?.bytes).toEqual(snapshot);
    // Without its snapshot nothing more can be published, which says which key is missing.
    expect(await refusedFiles(stage, gun, { targets: await owner.targets(3, {}) })).toMatchObject({
      detail: { Name: 'ErrBadHierarchy', Error: { Missing: 'snapshot' } },
    });
    const later = await owner.targets(3, {});
    const wrong = await snapshotFile(3, { root, targets }, [snapshotKey]);
    expect(await refusedFiles(stage, gun, { targets: later, snapshot: wrong })).toMatchObject({
      detail: { Name: 'ErrBadSnapshot' },
    });
  });

  it('of nothing, or of a timestamp alone, changes nothing', async () => {
    const stage = await start();
    const owner = await makeOwner(stage, gun);
    await begin(stage, owner);
    const timestamp = (await stage.notary.current(gun, 'timestamp'))?.bytes ?? Buffer.of();
    expect(await refusedFiles(stage, gun, {})).toBe('accepted');
    expect(await refusedFiles(stage, gun, { timestamp })).toBe('accepted');
  });

  it('that was made before is VERSION, and that was made for another repository ErrBadRoot', async () => {
    const stage = await start();
    const owner = await makeOwner(stage, gun);
    const files = { root: await owner.root(1), targets: await owner.targets(1, { a: 'one' }) };
    await publishFiles(stage, gun, files);
    expect(await refusedFiles(stage, gun, files)).toEqual(VERSION);
    expect(await refusedFiles(stage, gun, { targets: files.targets })).toEqual(VERSION);
    expect(await refusedFiles(stage, gunOf('team/other'), files)).toEqual(
      faultOf('ErrBadRoot', /unable to retrieve valid leaf certificates/),
    );
  });

  it('with a root that jumps, without any root, or with a flipped byte is told so in Notary’s words', async () => {
    const stage = await start();
    const owner = await makeOwner(stage, gun);
    const first = await owner.targets(1, { a: 'one' });
    expect(await refusedFiles(stage, gun, { targets: first })).toEqual(
      faultOf('ErrValidation', 'no pre-existing root and no root provided in update.'),
    );
    await begin(stage, owner);
    expect(await refusedFiles(stage, gun, { root: await owner.root(3) })).toEqual(
      faultOf('ErrBadRoot', 'Root modifications must increment the version. Current 1, new 3'),
    );
    const next = (await owner.targets(2, { a: 'two' })).toString();
    const flipped = Buffer.from(next.replace('"length":3', '"length":4'));
    expect(flipped.toString()).not.toBe(next);
    expect(await refusedFiles(stage, gun, { targets: flipped })).toEqual(
      faultOf('ErrBadTargets', 'valid signatures did not meet threshold for targets'),
    );
  });

  it('of a role that is none, or of no JSON, is refused by its own code', async () => {
    const stage = await start();
    const owner = await makeOwner(stage, gun);
    await begin(stage, owner);
    const targets = await owner.targets(2, {});
    for (const role of [
      'bogus',
      'targets/Bob',
      'targets/../x',
      'targets/',
      `targets/${'a'.repeat(255)}`,
    ])
      expect(await refusedFiles(stage, gun, { [role]: targets })).toMatchObject({
        code: 'INVALID_ROLE',
      });
    for (const text of ['', '<html>', '{"signed":{}}', targets.toString().slice(0, -1)])
      expect(await refusedFiles(stage, gun, { targets: Buffer.from(text) })).toEqual({
        code: 'MALFORMED_JSON',
      });
  });

  it('that would make the repository larger than its bound is refused, and said why', async () => {
    const stage = await start();
    const owner = await makeOwner(stage, gun);
    await begin(stage, owner);
    const bob = await makeHand();
    const count = LIMITS.trustRoles;
    const roles = Array.from({ length: count }, (_, n) => roleOf(`targets/r${n}`, [bob]));
    await publishFiles(stage, gun, { targets: await owner.targets(2, {}, roles) });
    const files = await Promise.all(
      roles.map(async ({ name }) => [name, await targetsFile(1, {}, [bob])] as const),
    );
    expect(await refusedFiles(stage, gun, Object.fromEntries(files))).toEqual(
      faultOf('ErrValidation', /^expected at most 1000 roles in a repository, found 1004/),
    );
  });

  it('is one of many at once for one repository: in each round one wins, the others are VERSION', async () => {
    const stage = await start();
    const owner = await makeOwner(stage, gun);
    await begin(stage, owner);
    for (let version = 2; version < 7; version++) {
      const uploads = await Promise.all(
        Array.from({ length: 8 }, (_, n) => owner.targets(version, { a: `${version} of ${n}` })),
      );
      const ends = await Promise.all(
        uploads.map((targets) => publishFiles(stage, gun, { targets })),
      );
      expect(ends.filter(({ ok }) => ok)).toHaveLength(1);
      expect(ends.filter((end) => !end.ok).map((end) => !end.ok && end.refusal)).toEqual(
        Array.from({ length: 7 }, () => VERSION),
      );
      const winner = uploads[ends.findIndex(({ ok }) => ok)];
      expect((await stage.notary.current(gun, 'targets'))?.bytes).toEqual(winner);
      expect((await servedListing(stage, gun, 'timestamp')).version).toBe(version);
    }
    const changes = await stage.notary.changes({ repository: null, limit: 100, after: 0 });
    expect(changes.map(({ id, version }) => [id, version])).toEqual(
      Array.from({ length: 6 }, (_, n) => [n + 1, n + 1]),
    );
    await checkLog(stage.store);
  });

  it('of many clients that sign their own snapshots is VERSION too for all but one', async () => {
    const stage = await start();
    const snapshotKey = await makeHand('ecdsa-p256');
    const owner = await makeOwner(stage, gun, { snapshot: snapshotKey });
    const root = await owner.root(1);
    const publishOf = async (version: number, tag: string) => {
      const targets = await owner.targets(version, { [tag]: tag });
      const snapshot = await snapshotFile(version, { root, targets }, [snapshotKey]);
      return { targets, snapshot };
    };
    await publishFiles(stage, gun, { root, ...(await publishOf(1, 'first')) });
    const uploads = await Promise.all(['a', 'b', 'c'].map((tag) => publishOf(2, tag)));
    const ends = await Promise.all(uploads.map((files) => publishFiles(stage, gun, files)));
    expect(ends.map((end) => (end.ok ? 'ok' : end.refusal.code)).toSorted()).toEqual([
      'VERSION',
      'VERSION',
      'ok',
    ]);
  });

  it('is read as one consistent set while others publish', async () => {
    const stage = await start();
    const owner = await makeOwner(stage, gun);
    await begin(stage, owner);
    const uploads = await Promise.all(
      Array.from({ length: 20 }, (_, n) => owner.targets(n + 2, { a: `${n}` })),
    );
    let running = true;
    const publishing = (async () => {
      for (const targets of uploads) await publishFiles(stage, gun, { targets });
      running = false;
    })();
    let reads = 0;
    while (running) {
      const timestamp = await servedListing(stage, gun, 'timestamp');
      const sha256 = timestamp.meta.get('snapshot')?.sha256 ?? '';
      const snapshot = await stage.notary.stored(gun, 'snapshot', { sha256 });
      const current = await stage.notary.trustData(gun);
      expect(snapshot).not.toBeNull();
      expect(current?.current.ok).toBe(true);
      reads++;
    }
    await publishing;
    expect(reads).toBeGreaterThan(0);
  });

  it('of a version that came into the store by another way is VERSION, by the store’s own word', async () => {
    const stage = await start();
    const owner = await makeOwner(stage, gun);
    await begin(stage, owner);
    const files = [{ role: 'targets', version: 2, bytes: await owner.targets(2, { a: 'one' }) }];
    await stage.store.commit([{ kind: 'trust-files', repository: gun, files }]);
    // The service remembers version 1; only the commit can tell.
    const late = { targets: await owner.targets(2, { a: 'two' }) };
    expect(await refusedFiles(stage, gun, late)).toEqual(VERSION);
    expect((await stage.notary.stored(gun, 'targets', { version: 2 }))?.bytes).toEqual(
      files[0]?.bytes,
    );
    const next = await publishFiles(stage, gun, { targets: await owner.targets(3, { a: 'one' }) });
    // Compared with what is really there: the tag was signed already.
    expect(next).toEqual({ ok: true, signed: [] });
  });

  it('is refused once the root certificate has ended, however often it was found good before', async () => {
    const stage = await start();
    const owner = await makeOwner(stage, gun);
    await begin(stage, owner);
    for (const version of [2, 3])
      await publishFiles(stage, gun, { targets: await owner.targets(version, {}) });
    const expires = new Date(stage.now.getTime() + 20 * 365 * 86_400_000);
    const late = await targetsFile(4, {}, [owner.hands.targets], { expires });
    stage.now = new Date(stage.now.getTime() + 3651 * 86_400_000);
    expect(await refusedFiles(stage, gun, { targets: late })).toEqual(
      faultOf('ErrBadRoot', /unable to retrieve valid leaf certificates/),
    );
  });

  it('with a signature of a wrong key for one role of several stores none of them', async () => {
    const stage = await start();
    const owner = await makeOwner(stage, gun);
    await begin(stage, owner);
    const stranger = await makeHand('ecdsa-p256');
    const root = await owner.root(2);
    const targets = await resign(await owner.targets(2, { a: 'evil' }), {}, [stranger]);
    expect(await refusedFiles(stage, gun, { root, targets })).toMatchObject({
      detail: { Name: 'ErrBadTargets' },
    });
  });
});
