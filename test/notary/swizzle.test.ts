import { beforeAll, describe, expect, it } from 'vitest';
import type { JsonObject } from '../../src/lib/json.ts';
import { LIMITS } from '../../src/lib/limits.ts';
import { unwrap } from '../../src/lib/result.ts';
import { parseEnvelope } from '../../src/tuf/envelope.ts';
import { rootCertificateKey } from '../../src/tuf/root-certificate.ts';
import type { NotaryStage, Owner } from '../support/notary-service.ts';
import {
  gunOf,
  makeOwner,
  notarySuite,
  publishFiles,
  refusedFiles,
  snapshotFile,
  targetsFile,
} from '../support/notary-service.ts';
import type { Hand } from '../support/tuf.ts';
import { makeHand, resign, roleOf } from '../support/tuf.ts';

const gun = gunOf('team/app');
const EXPIRED = '2026-11-22T11:59:59Z';
const ROLES = ['root', 'targets', 'targets/bob', 'snapshot'] as const;
type Role = (typeof ROLES)[number];

const FAULT: Readonly<Record<Role, string>> = {
  root: 'ErrBadRoot',
  targets: 'ErrBadTargets',
  'targets/bob': 'ErrBadTargets',
  snapshot: 'ErrBadSnapshot',
};

describe('the metadata swizzler, at the service', () => {
  const start = notarySuite();
  let stage: NotaryStage;
  let owner: Owner;
  let hands: Readonly<Record<Role, Hand>>;
  let stranger: Hand;
  /** What is stored, all version 1, and a publish of all version 2 that would be accepted. */
  let files: Readonly<Record<Role, Buffer>>;

  const fileOf = async (version: number, of = owner): Promise<Record<Role, Buffer>> => {
    const root = await of.root(version);
    const delegations = [roleOf('targets/bob', [hands['targets/bob']])];
    const targets = await of.targets(version, { a: `a${version}` }, delegations);
    const bob = await targetsFile(version, { b: `b${version}` }, [hands['targets/bob']]);
    const listed = { root, targets, 'targets/bob': bob };
    return { ...listed, snapshot: await snapshotFile(version, listed, [hands.snapshot]) };
  };
  /** The publish with one file in another's place, and, where that is possible, a snapshot that lists it. */
  const swapped = async (role: Role, bytes: Buffer): Promise<Record<string, Buffer>> => {
    const all = { ...files, [role]: bytes };
    if (role === 'snapshot') return all;
    const { snapshot: _old, ...listed } = all;
    return { ...all, snapshot: await snapshotFile(2, listed, [hands.snapshot]) };
  };
  const refusedWith = async (role: Role, bytes: Buffer): Promise<unknown> =>
    refusedFiles(stage, gun, await swapped(role, bytes));
  const fault = (role: Role): object => ({ code: 'INVALID_UPDATE', detail: { Name: FAULT[role] } });

  beforeAll(async () => {
    stage = await start();
    const snapshot = await makeHand('ecdsa-p256');
    owner = await makeOwner(stage, gun, { snapshot });
    stranger = await makeHand('ecdsa-p256');
    hands = { ...owner.hands, 'targets/bob': await makeHand('ecdsa-p256'), snapshot };
    const { ok } = await publishFiles(stage, gun, await fileOf(1));
    if (!ok) throw new Error('expected the first publish to be accepted');
    files = await fileOf(2);
  });

  it.each(ROLES)('an expired %s is refused (T-22)', async (role) => {
    const bytes = await resign(files[role], { expires: EXPIRED }, [hands[role]]);
    expect(await refusedWith(role, bytes)).toMatchObject(fault(role));
  });

  it.each(ROLES)(
    'a %s that a stranger signed, or nobody, or a stranger under the right id, is refused',
    async (role) => {
      const forger = { ...stranger, keyid: hands[role].keyid };
      for (const by of [[stranger], [], [forger]])
        expect(await refusedWith(role, await resign(files[role], {}, by))).toMatchObject(
          fault(role),
        );
    },
  );

  it.each(ROLES)('a %s whose bytes were changed after it was signed is refused', async (role) => {
    const text = files[role].toString();
    const changed = Buffer.from(text.replace('"version":2', '"version":2,"x":1'));
    expect(changed.toString()).not.toBe(text);
    expect(await refusedWith(role, changed)).toMatchObject(fault(role));
  });

  it.each(ROLES)('a %s of a version that is there already is refused (T-23)', async (role) => {
    const bytes = await resign(files[role], { version: 1 }, [hands[role]]);
    expect(await refusedWith(role, bytes)).toEqual({ code: 'VERSION' });
  });

  it.each(ROLES)('a %s of version 0, none, a text or a fraction is refused', async (role) => {
    for (const version of [0, -1, null, '2'])
      expect(
        await refusedWith(role, await resign(files[role], { version }, [hands[role]])),
      ).toMatchObject({
        code: expect.stringMatching(/^(?:INVALID_UPDATE|MALFORMED_JSON|VERSION)$/) as string,
      });
    const fraction = Buffer.from(files[role].toString().replace('"version":2', '"version":2.5'));
    expect(await refusedWith(role, fraction)).toEqual({ code: 'MALFORMED_JSON' });
  });

  it.each(ROLES)('a %s that says to be of another type is refused', async (role) => {
    const bytes = await resign(files[role], { _type: 'Mirrors' }, [hands[role]]);
    expect(await refusedWith(role, bytes)).toMatchObject(fault(role));
  });

  it.each(ROLES)('a %s with a member twice is refused: two readers could see two', async (role) => {
    const twice = Buffer.from(
      files[role].toString().replace('"version":2', '"version":1,"version":2'),
    );
    expect(await refusedWith(role, twice)).toEqual({ code: 'MALFORMED_JSON' });
  });

  it.each(ROLES)('a %s of very deep or very large JSON is refused', async (role) => {
    const deep = Buffer.from(
      `{"signed":${'['.repeat(100_000)}${']'.repeat(100_000)},"signatures":[]}`,
    );
    const large = Buffer.alloc(LIMITS.trustMetadataBytes + 1, ' ');
    large.write('{"signed":{},"signatures":[]}');
    for (const bytes of [deep, large])
      expect(await refusedFiles(stage, gun, { ...files, [role]: bytes })).toEqual({
        code: 'MALFORMED_JSON',
      });
  });

  it.each(ROLES)('a %s of another repository is refused', async (role) => {
    const elsewhere = gunOf('team/other');
    const other = await makeOwner(stage, elsewhere, { snapshot: stranger });
    const theirs = await fileOf(2, other);
    const bytes = role === 'snapshot' ? await snapshotFile(2, files, [stranger]) : theirs[role];
    if (role === 'targets/bob') {
      // The same person may sign in both: only who is delegated to may speak here.
      const bytesOf = await targetsFile(2, {}, [stranger]);
      expect(await refusedWith(role, bytesOf)).toMatchObject(fault(role));
    } else {
      expect(await refusedWith(role, bytes)).toMatchObject(fault(role));
    }
  });

  it.each(['root', 'targets', 'targets/bob'] as const)(
    'a snapshot that lists another %s, or none, is refused',
    async (role) => {
      const { snapshot: _own, ...listed } = files;
      const lying = { ...listed, [role]: Buffer.from('{}') };
      const snapshot = await snapshotFile(2, lying, [hands.snapshot]);
      expect(await refusedFiles(stage, gun, { ...files, snapshot })).toMatchObject(
        fault('snapshot'),
      );
      const { [role]: _none, ...less } = listed as Record<string, Buffer>;
      const silent = await snapshotFile(2, less, [hands.snapshot]);
      expect(await refusedFiles(stage, gun, { ...files, snapshot: silent })).toMatchObject(
        fault('snapshot'),
      );
    },
  );

  it('one key under two ids does not make two signers (T-14)', async () => {
    const { root } = hands;
    // The same key in a second certificate: another id, the same key.
    const key = unwrap(
      await rootCertificateKey(gun, root.signer, new Date('2026-11-22T11:00:00Z')),
    );
    const twin: Hand = { keyid: key.id, signer: root.signer, key };
    expect(twin.keyid).not.toBe(root.keyid);
    const both = [root, twin];
    const bytes = await owner.root(2, { root: roleOf('root', both, 2) }, both);
    expect(await refusedWith('root', bytes)).toMatchObject(fault('root'));
  });

  it('a key that is listed under another id than its own is refused', async () => {
    const signed = unwrap(parseEnvelope(files.root)).signed;
    const keys = signed['keys'] as JsonObject;
    const [id = ''] = Object.keys(keys);
    const renamed = { ...keys, [stranger.keyid]: keys[id] ?? null };
    const bytes = await resign(files.root, { keys: renamed }, [hands.root]);
    expect(await refusedWith('root', bytes)).toMatchObject(fault('root'));
  });

  it('a threshold of 0, or one that nobody can meet, is refused in roots and delegations (T-15)', async () => {
    for (const threshold of [0, -1, 2, 1.5]) {
      const targets = { ...roleOf('targets', [hands.targets]), threshold };
      const root = await owner.root(2, { targets }).catch(() => null);
      // A fraction cannot even be written.
      if (root !== null)
        expect([threshold, await refusedWith('root', root)]).toMatchObject([
          threshold,
          fault('root'),
        ]);
    }
    const delegations = [{ ...roleOf('targets/bob', [hands['targets/bob']]), threshold: 0 }];
    const targets = await owner.targets(2, {}, delegations);
    expect(await refusedWith('targets', targets)).toMatchObject(fault('targets'));
  });

  it('a role that is uploaded twice is refused', async () => {
    const parts = [
      { role: 'targets', bytes: files.targets },
      { role: 'targets', bytes: files.targets },
    ];
    const outcome = await stage.notary.publish({
      repository: gun,
      parts,
      actor: 'eve',
      mayPush: true,
    });
    expect(outcome).toMatchObject({ ok: false, refusal: { detail: { Name: 'ErrValidation' } } });
  });

  it('and without any of this the same publish is accepted', async () => {
    expect(await publishFiles(stage, gun, files)).toMatchObject({ ok: true });
  });
});
