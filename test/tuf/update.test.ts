import { beforeAll, describe, expect, it } from 'vitest';
import type { Json, JsonObject } from '../../src/lib/json.ts';
import { unwrap } from '../../src/lib/result.ts';
import { buildRoot, buildServerFiles, buildTargets } from '../../src/tuf/build-files.ts';
import { parseEnvelope } from '../../src/tuf/envelope.ts';
import { lifetime } from '../../src/tuf/lifetime.ts';
import { lookUpTag } from '../../src/tuf/lookup.ts';
import { planRefresh } from '../../src/tuf/refresh.ts';
import { verifyRepository } from '../../src/tuf/repository.ts';
import type { AcceptedUpdate, StoredFile, UpdateRequest } from '../../src/tuf/update.ts';
import { validateUpdate } from '../../src/tuf/update.ts';
import { rolesToLoad } from '../../src/tuf/update-parts.ts';
import type { Step } from '../../src/tuf/update-refusal.ts';
import type { Hand, MadeRepository } from '../support/tuf.ts';
import { GUN, NOW, makeHand, makeRepository, resign, roleOf, tag } from '../support/tuf.ts';

let made: MadeRepository;
let stranger: Hand;
let stored: ReadonlyMap<string, StoredFile>;
beforeAll(async () => {
  made = await makeRepository();
  stranger = await makeHand('ecdsa-p256');
  stored = new Map([...made.files].map(([role, bytes]) => [role, { version: 1, bytes }]));
});

const fileOf = (role: string): Buffer => made.files.get(role) as Buffer;
const serverKeys = (...roles: ('snapshot' | 'timestamp')[]): ReadonlySet<string> =>
  new Set(roles.map((role) => made.hands[role].keyid));

/** An upload to the stored repository, by a server that holds both keys, except as said. */
function upload(
  parts: Readonly<Record<string, Uint8Array>>,
  other: Partial<UpdateRequest> = {},
): Step<AcceptedUpdate> {
  const list = Object.entries(parts).map(([role, bytes]) => ({ role, bytes }));
  return validateUpdate({
    gun: GUN,
    now: NOW,
    parts: list,
    stored,
    serverKeys: serverKeys('snapshot', 'timestamp'),
    ...other,
  });
}

/** INVALID_UPDATE with this fault and message. */
function fault(name: string, message: string | RegExp): object {
  const Msg: unknown = typeof message === 'string' ? message : expect.stringMatching(message);
  const detail = { Name: name, Error: { Msg } };
  return { ok: false, refusal: { code: 'INVALID_UPDATE', detail } };
}

const next = (role: string, hand: Hand, changes: JsonObject = {}): Promise<Buffer> =>
  resign(fileOf(role), { version: 2, ...changes }, [hand]);

describe('what an upload to a Notary v1 server has to be', () => {
  it('a first publish of root and targets is accepted, and the server makes a repository that verifies', async () => {
    const parts = {
      'targets/alice': fileOf('targets/alice'),
      targets: fileOf('targets'),
      root: fileOf('root'),
    };
    const accepted = upload(parts, { stored: new Map() });
    if (!accepted.ok || accepted.value.server === null)
      throw new Error('expected an accepted update');
    const hands = [made.hands.snapshot, made.hands.timestamp];
    const files = await buildServerFiles(accepted.value.server, (keyid) =>
      Promise.resolve(hands.find((hand) => hand.keyid === keyid) as Hand),
    );
    expect(files.map(({ role, version }) => [role, version])).toEqual([
      ['snapshot', 1],
      ['timestamp', 1],
    ]);
    const all = new Map<string, Uint8Array>(
      [...accepted.value.files, ...files].map(({ role, bytes }) => [role, bytes]),
    );
    const verified = unwrap(
      verifyRepository({
        gun: GUN,
        now: NOW,
        root: accepted.value.root,
        files: all,
        seen: new Map(),
      }),
    );
    expect(lookUpTag(verified.tree, 'old').kind).toBe('signed');
    expect([...verified.tree.roles.keys()]).toEqual(['targets', 'targets/alice']);
    const late = new Map([...all].map(([role, bytes]) => [role, { version: 1, bytes }]));
    const keys = serverKeys('snapshot', 'timestamp');
    const at = (days: number) =>
      planRefresh({
        gun: GUN,
        now: new Date(NOW.getTime() + days * 86_400_000),
        stored: late,
        serverKeys: keys,
      });
    expect(at(13)).toEqual({ ok: true, value: null });
    expect(at(15)).toMatchObject({
      value: { snapshot: { kind: 'kept' }, timestamp: { version: 2 } },
    });
    expect(at(1200)).toMatchObject({
      value: { snapshot: { kind: 'make', plan: { version: 2 } }, timestamp: { version: 2 } },
    });
    expect(at(3649.9).ok).toBe(true);
    expect(at(3651)).toMatchObject({
      refusal: {
        message: expect.stringMatching(/unable to retrieve valid leaf certificates/) as string,
      },
    });
  });

  it('a delegation alone is accepted; the snapshot goes on from the stored one', async () => {
    const file = await next('targets/alice', made.hands.alice);
    const accepted = upload({ 'targets/alice': file });
    expect(accepted).toMatchObject({
      value: { server: { snapshot: { plan: { version: 2 } }, timestamp: { version: 2 } } },
    });
    const { snapshot } = (accepted as { value: AcceptedUpdate }).value.server as NonNullable<
      AcceptedUpdate['server']
    >;
    expect(snapshot.kind === 'make' && [...snapshot.meta.keys()].toSorted()).toEqual([
      'root',
      'targets',
      'targets/alice',
      'targets/releases',
    ]);
    expect(rolesToLoad([{ role: 'targets/a/b' }])).toEqual([
      'root',
      'targets',
      'snapshot',
      'timestamp',
      'targets/a/b',
      'targets/a',
    ]);
  });

  it('T-23: a replay is a VERSION conflict, root or delegation', () => {
    for (const parts of [
      { root: fileOf('root'), targets: fileOf('targets') },
      { 'targets/alice': fileOf('targets/alice') },
    ]) {
      expect(upload(parts)).toEqual({ ok: false, refusal: { code: 'VERSION' } });
    }
  });

  it('a signer cannot use up the versions of a role, which nobody could sign again', async () => {
    const { alice } = made.hands;
    const most = await next('targets/alice', alice, { version: 65 });
    expect(upload({ 'targets/alice': most })).toMatchObject({ ok: true });
    for (const version of [66, 2 ** 31 - 1]) {
      const far = await next('targets/alice', alice, { version });
      expect(upload({ 'targets/alice': far })).toEqual(
        fault(
          'ErrBadTargets',
          `targets/alice must be at most 64 versions ahead. Current 1, new ${version}`,
        ),
      );
    }
  });

  it('a client goes on where it was at a server that has the repository no more, or never had it', async () => {
    const parts = {
      root: fileOf('root'),
      targets: await next('targets', made.hands.targets, { version: 301 }),
      'targets/alice': await next('targets/alice', made.hands.alice, { version: 300 }),
    };
    expect(upload(parts, { stored: new Map() })).toMatchObject({ ok: true });
    const far = await next('targets', made.hands.targets, { version: 2 ** 31 - 1 });
    expect(upload({ ...parts, targets: far }, { stored: new Map() })).toMatchObject(
      fault('ErrBadTargets', /^targets must be at most version 1048576 in a first publish/),
    );
  });

  it('replayed to another repository, a publish has no certificate for it', () => {
    const parts = { root: fileOf('root'), targets: fileOf('targets') };
    const result = upload(parts, { gun: 'registry.example.com/team/other', stored: new Map() });
    expect(result).toMatchObject(
      fault(
        'ErrBadRoot',
        'could not validate the path to a trusted root: unable to retrieve valid leaf certificates',
      ),
    );
  });

  it('a root moves by one version at a time, and the first is 1 or 2', async () => {
    const third = await resign(fileOf('root'), { version: 3 }, [made.hands.root]);
    expect(upload({ root: third })).toMatchObject(
      fault('ErrBadRoot', 'Root modifications must increment the version. Current 1, new 3'),
    );
    const none = { stored: new Map() };
    expect(upload({ root: third }, none)).toMatchObject(
      fault('ErrBadRoot', 'Root modifications must increment the version. Current 1, new 3'),
    );
    const second = await next('root', made.hands.root);
    expect(upload({ root: second }).ok).toBe(true);
    expect(upload({ root: second, targets: fileOf('targets') }, none).ok).toBe(true);
  });

  it('a root that the old root’s keys did not sign does not replace it', async () => {
    const mine = await makeRepository({ version: 2 });
    expect(
      upload({
        root: mine.files.get('root') as Buffer,
        targets: mine.files.get('targets') as Buffer,
      }),
    ).toMatchObject(
      fault(
        'ErrBadRoot',
        'could not rotate trust to a new trusted root: failed to validate data with current trusted certificates',
      ),
    );
    const expired = await next('root', made.hands.root, { expires: '2020-01-01T00:00:00Z' });
    expect(upload({ root: expired })).toMatchObject(
      fault('ErrBadRoot', 'root expired at Wed Jan 1 00:00:00 UTC 2020'),
    );
  });

  it('a rotation of the root key is signed by both, and one of the targets key brings its targets', async () => {
    const fresh = await makeHand('ecdsa-p256', { gun: GUN, now: NOW });
    const roles = {
      root: roleOf('root', [fresh]),
      targets: roleOf('targets', [stranger]),
      snapshot: roleOf('snapshot', [made.hands.snapshot]),
      timestamp: roleOf('timestamp', [made.hands.timestamp]),
    };
    const expires = lifetime('root', NOW);
    const rotated = (...signers: Hand[]) => buildRoot(roles, { version: 2, expires, signers });
    const both = await rotated(made.hands.root, fresh);
    const targets = await next('targets', stranger);
    expect(upload({ root: both, targets }).ok).toBe(true);
    expect(upload({ root: both })).toMatchObject(
      fault('ErrBadTargets', 'valid signatures did not meet threshold for targets'),
    );
    expect(upload({ root: await rotated(fresh), targets })).toMatchObject(
      fault('ErrBadRoot', /^could not rotate trust/),
    );
    expect(upload({ root: await rotated(made.hands.root), targets })).toMatchObject(
      fault('ErrBadRoot', /failed to validate integrity of roots$/),
    );
  });

  it('without any root nothing is accepted', () => {
    const none = { stored: new Map() };
    const message = 'no pre-existing root and no root provided in update.';
    expect(upload({ targets: fileOf('targets') }, none)).toMatchObject(
      fault('ErrValidation', message),
    );
    expect(upload({}, none)).toMatchObject(fault('ErrValidation', message));
    expect(upload({ root: fileOf('root') }, none)).toMatchObject(
      fault('ErrValidation', 'targets must be loaded first'),
    );
    expect(
      upload({ root: fileOf('root'), 'targets/alice': fileOf('targets/alice') }, none),
    ).toMatchObject(fault('ErrBadTargets', 'targets must be loaded first'));
  });

  it('targets that a stranger signed, that expired or that nobody delegated to are refused', async () => {
    const forged = await next('targets', stranger);
    expect(upload({ targets: forged })).toMatchObject(
      fault('ErrBadTargets', 'valid signatures did not meet threshold for targets'),
    );
    const flipped = Buffer.from(
      (await next('targets', made.hands.targets)).toString().replace('"length":3', '"length":4'),
    );
    expect(upload({ targets: flipped })).toMatchObject(
      fault('ErrBadTargets', 'valid signatures did not meet threshold for targets'),
    );
    const unsigned = await resign(fileOf('targets'), { version: 2 }, []);
    expect(upload({ targets: unsigned })).toMatchObject(
      fault('ErrBadTargets', 'tuf: data has no signatures'),
    );
    const old = await next('targets/alice', made.hands.alice, { expires: '2020-01-01T00:00:00Z' });
    expect(upload({ 'targets/alice': old })).toMatchObject(
      fault('ErrBadTargets', /^targets\/alice expired at/),
    );
    for (const role of ['targets/none', 'targets/none/deeper', 'targets/alice/deeper']) {
      const file = await next('targets/alice', made.hands.alice);
      expect(upload({ [role]: file })).toMatchObject(
        fault('ErrBadTargets', `tuf: invalid role ${role}. delegation does not exist`),
      );
    }
    const zero = await next('targets', made.hands.targets, { version: 0 });
    expect(upload({ targets: zero })).toMatchObject(
      fault('ErrBadTargets', 'targets type metadata invalid: version cannot be less than one'),
    );
  });

  it('a delegation that the same upload makes is judged by the new parent', async () => {
    const expires = lifetime('targets', NOW);
    const delegations = [{ ...roleOf('targets/bob', [stranger]), paths: [''] }];
    const parent = await buildTargets(
      { targets: new Map(), delegations },
      { version: 2, expires, signers: [made.hands.targets] },
    );
    const child = await buildTargets(
      { targets: new Map([['x', tag('x')]]), delegations: [] },
      { version: 1, expires, signers: [stranger] },
    );
    expect(upload({ 'targets/bob': child, targets: parent }).ok).toBe(true);
    expect(upload({ 'targets/bob': child })).toMatchObject(
      fault('ErrBadTargets', /delegation does not exist$/),
    );
    const alice = await next('targets/alice', made.hands.alice);
    expect(upload({ targets: parent, 'targets/alice': alice })).toMatchObject(
      fault('ErrBadTargets', /delegation does not exist$/),
    );
  });

  it('a client’s snapshot must be signed, fresh, and list what is stored and uploaded', async () => {
    const good = await next('snapshot', made.hands.snapshot);
    const onlyStamps = { serverKeys: serverKeys('timestamp') };
    expect(upload({ snapshot: good }, onlyStamps)).toMatchObject({
      value: { server: { snapshot: { kind: 'kept' }, timestamp: { version: 2 } } },
    });
    const targets = await next('targets', made.hands.targets);
    expect(upload({ targets, snapshot: good }, onlyStamps)).toMatchObject(
      fault('ErrBadSnapshot', /^sha256 checksum for targets did not match: expected [0-9a-f]{64}$/),
    );
    expect(upload({ snapshot: await next('snapshot', stranger) })).toMatchObject(
      fault('ErrBadSnapshot', 'valid signatures did not meet threshold for snapshot'),
    );
    expect(
      upload({
        snapshot: await next('snapshot', made.hands.snapshot, { expires: '2020-01-01T00:00:00Z' }),
      }),
    ).toMatchObject(fault('ErrBadSnapshot', /^snapshot expired at/));
    const first = { root: fileOf('root'), snapshot: fileOf('snapshot') };
    expect(upload(first, { stored: new Map() })).toMatchObject(
      fault('ErrValidation', 'targets must be loaded first'),
    );
    const bare = await next('snapshot', made.hands.snapshot, { meta: {} });
    expect(upload({ snapshot: bare })).toMatchObject(
      fault(
        'ErrBadSnapshot',
        'snapshot type metadata invalid: missing root sha256 checksum information',
      ),
    );
  });

  it('without the keys that the root gives it, a server makes nothing', () => {
    const parts = { root: fileOf('root'), targets: fileOf('targets') };
    const none = { stored: new Map(), serverKeys: serverKeys('timestamp') };
    expect(upload(parts, none)).toEqual({
      ok: false,
      refusal: {
        code: 'INVALID_UPDATE',
        detail: {
          Name: 'ErrBadHierarchy',
          Error: {
            Missing: 'snapshot',
            Msg: 'no snapshot was included in update and server does not hold current snapshot key for repository',
          },
        },
      },
    });
    expect(upload(parts, { ...none, serverKeys: serverKeys('snapshot') })).toMatchObject(
      fault('ErrBadRoot', 'no  timestamp keys exist on the server'),
    );
  });

  it('role names and JSON are checked before anything else, in the order of the parts', () => {
    const role = (name: string) => upload({ [name]: fileOf('targets') });
    expect(role('bogus')).toEqual({
      ok: false,
      refusal: { code: 'INVALID_ROLE', detail: 'bogus' },
    });
    expect(role('targets/Releases')).toMatchObject({ refusal: { code: 'INVALID_ROLE' } });
    const bodies = [
      '',
      '{',
      '<html>',
      '{"signed":{},"signatures":[]}',
      '[]',
      '['.repeat(100_000),
      `${fileOf('targets').toString()}x`,
    ];
    for (const body of bodies) {
      expect(upload({ targets: Buffer.from(body) })).toEqual({
        ok: false,
        refusal: { code: 'MALFORMED_JSON' },
      });
    }
    const twice = [fileOf('targets'), fileOf('targets')].map((bytes) => ({
      role: 'targets',
      bytes,
    }));
    expect(upload({}, { parts: twice })).toMatchObject(
      fault('ErrValidation', 'role targets was uploaded twice'),
    );
  });

  it('an upload of nothing, or of a timestamp only, changes nothing', () => {
    for (const parts of [{}, { timestamp: fileOf('timestamp') }]) {
      expect(upload(parts)).toMatchObject({ ok: true, value: { files: [], server: null } });
    }
  });

  it('after the last root certificate no update is accepted, and the refusal says why', async () => {
    const late = { now: new Date('2036-11-20T00:00:00Z') };
    const file = await next('targets/alice', made.hands.alice, { expires: '2037-01-01T00:00:00Z' });
    expect(upload({ 'targets/alice': file }, late)).toMatchObject(
      fault('ErrBadRoot', /unable to retrieve valid leaf certificates$/),
    );
  });

  it('what is stored is the upload, byte for byte', async () => {
    const file = await next('targets', made.hands.targets, { unknown: { member: [1, 'é'] } });
    const accepted = upload({ targets: file });
    expect(accepted.ok && accepted.value.files).toEqual([
      { role: 'targets', version: 2, bytes: file },
    ]);
    expect(unwrap(parseEnvelope(file)).message.toString()).toMatch('"unknown":{"member":[1,"é"]}');
  });

  it('T-60: a root is bounded, since those of all repositories are read at once', async () => {
    const few = Array.from({ length: 15_000 }, () => 1);
    const root = (junk: readonly Json[] | string) => next('root', made.hands.root, { junk });
    expect(upload({ root: await root(few) })).toMatchObject({ ok: true });
    for (const junk of [[...few, ...few], 'x'.repeat(1024 * 1024)])
      expect(upload({ root: await root(junk) })).toMatchObject(
        fault('ErrBadRoot', /expected at most 1048576 bytes and 20000 JSON values$/),
      );
  });

  it('T-60: values are bounded in number, in one upload and in the roles above one', async () => {
    const junk = Array.from({ length: 190_000 }, () => 1);
    const { signed, signatures } = JSON.parse(fileOf('targets').toString()) as {
      signed: object;
      signatures: unknown[];
    };
    const file = Buffer.from(JSON.stringify({ signed: { ...signed, junk }, signatures }));
    expect(upload({ targets: file, 'targets/alice': file, 'targets/releases': file })).toEqual(
      fault('ErrValidation', 'expected at most 500000 JSON values in one upload, found more'),
    );
    // Alice makes as long a chain of her own as she likes, in as many uploads.
    const names = ['', '/b', '/c', '/d', '/e', '/f', '/g'].map((_, n, all) =>
      ['targets/alice', ...all.slice(1, n + 1)].join(''),
    );
    const chain = new Map(stored);
    for (const [n, name] of names.entries()) {
      const below = names[n + 1];
      const delegations =
        below === undefined ? [] : [{ ...roleOf(below, [made.hands.alice]), paths: [''] }];
      const plain = await buildTargets(
        { targets: new Map(), delegations },
        { version: 1, expires: lifetime('targets', NOW), signers: [made.hands.alice] },
      );
      chain.set(name, { version: 1, bytes: await resign(plain, { junk }, [made.hands.alice]) });
    }
    const last = chain.get(names.at(-1) ?? '')?.bytes ?? Buffer.of();
    const again = await resign(last, { version: 2, junk: [] }, [made.hands.alice]);
    expect(upload({ [names.at(-1) ?? '']: again }, { stored: chain })).toEqual(
      fault('ErrBadTargets', 'expected at most 1000000 JSON values in the roles above'),
    );
    const third = await resign(chain.get(names[3] ?? '')?.bytes ?? last, { version: 2, junk: [] }, [
      made.hands.alice,
    ]);
    expect(upload({ [names[3] ?? '']: third }, { stored: chain })).toMatchObject({ ok: true });
  });
});
