import { readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { generateKey } from '../../../src/keys/generate.ts';
import type { NamedSigner } from '../../../src/keys/resolve-signer.ts';
import type { Digest } from '../../../src/oci/digest.ts';
import { digestOf } from '../../../src/oci/digest.ts';
import type { Repository } from '../../../src/oci/reference.ts';
import { endingSoon } from '../../../src/trust/dct/expiry.ts';
import { heldKeys } from '../../../src/trust/dct/held-keys.ts';
import { initialise } from '../../../src/trust/dct/initialise.ts';
import type { LoadedTrust } from '../../../src/trust/dct/load.ts';
import { loadTrust } from '../../../src/trust/dct/load.ts';
import { revokeTags } from '../../../src/trust/dct/revoke-tags.ts';
import { certify, makeKey } from '../../../src/trust/dct/repository-keys.ts';
import { rotateRoot, rotateServerKeys } from '../../../src/trust/dct/rotate.ts';
import type { TrustSession } from '../../../src/trust/dct/session.ts';
import { signTag } from '../../../src/trust/dct/sign-tag.ts';
import { submit } from '../../../src/trust/dct/submit.ts';
import { addSigner, removeSigner } from '../../../src/trust/dct/signers.ts';
import { buildRoot } from '../../../src/tuf/build-files.ts';
import { lookUpTag } from '../../../src/tuf/lookup.ts';
import { tufKeyOf } from '../../../src/tuf/public-key.ts';
import { describeWithClients } from '../../support/describe-with-clients.ts';
import { suiteScope } from '../../support/scope.ts';
import type { TrustServer } from '../../support/trust-server.ts';
import { startTrustServer, TRUST_SERVERS } from '../../support/trust-server.ts';
import type { TestSession } from '../../support/trust-session.ts';
import {
  gunOf,
  openSession,
  SESSION_PASSPHRASE,
  storedSigner,
} from '../../support/trust-session.ts';

const HOST = 'registry.example.com:5000';
const content = (text: string): { digest: Digest; length: number } => ({
  digest: digestOf(Buffer.from(text)),
  length: text.length,
});

for (const kind of TRUST_SERVERS) {
  const needed = kind === 'notary-server' ? (['notary-server'] as const) : [];
  describeWithClients(`trust data is published to ${kind}`, needed, () => {
    const scope = suiteScope();
    let server: TrustServer;
    let machines = 0;
    beforeAll(async () => {
      const folder = join(scope.folder(), 'server');
      server = scope.own(await startTrustServer(folder, kind, { registry: HOST }));
    });
    const machine = (): TestSession => {
      const folder = join(scope.folder(), `machine-${machines++}`);
      const session = openSession(folder, server.url, HOST);
      scope.own({ stop: () => session.server.close() });
      return session;
    };
    const gun = (path: string): Repository => gunOf(HOST, path);
    const trusted = async (session: TrustSession, name: Repository): Promise<LoadedTrust> => {
      const loaded = await loadTrust(session, name);
      if (loaded.kind !== 'trusted') throw new Error(JSON.stringify(loaded));
      return loaded;
    };
    const tagOf = async (session: TrustSession, name: Repository, tag: string) => {
      const { repository } = await trusted(session, name);
      const found = lookUpTag(repository.tree, tag);
      return found.kind === 'signed' ? found.entry.digest : found.kind;
    };
    const rolesWith = async (session: TrustSession, name: Repository, tag: string) => {
      const { repository } = await trusted(session, name);
      return [...repository.tree.roles.values()]
        .filter(({ targets }) => targets.has(tag))
        .map((role) => role.name);
    };
    /** The public halves of a signer's key, as `signer add` reads them. */
    const keysOf = (signer: NamedSigner) => [tufKeyOf(signer.publicKey)];
    /** Begins a repository with two signers, each on a machine of their own. */
    const aliceAndBob = async (owner: TestSession, name: Repository) => {
      await initialise(owner, name, { signers: [] });
      const [one, two] = [machine(), machine()];
      const alice = await storedSigner(one, 'alice');
      const bob = await storedSigner(two, 'bob');
      for (const signer of [alice, bob]) {
        await addSigner(owner, { gun: name, name: signer.name ?? '', keys: keysOf(signer) });
      }
      return { one, two, alice, bob };
    };

    it(`the first signature begins the repository, with its signer`, async () => {
      const session = machine();
      const name = gun('begin/one');
      const alice = await storedSigner(session, 'alice', 'ed25519');
      const one = { gun: name, tag: '1', ...content('one'), signer: alice };
      expect(await signTag(session, one)).toBe(true);
      expect(session.notes).toEqual([expect.stringMatching(/^made the root key [0-9a-f]{12} /)]);
      expect(await signTag(session, one)).toBe(false);
      expect(await signTag(session, { ...one, tag: '2' })).toBe(true);
      const { repository } = await trusted(session, name);
      expect(await rolesWith(session, name, '1')).toEqual(['targets/alice', 'targets/releases']);
      expect(repository.root.version).toBe(1);
      expect(repository.tree.roles.get('targets')?.version).toBe(1);
      expect(repository.tree.roles.get('targets/alice')?.version).toBe(2);
      // docker's layout of keys: the repository's own with its name, the root with none.
      const keys = await session.keys.list();
      expect(keys.map((key) => [key.name, key.gun])).toEqual([
        ['alice', null],
        ['root', null],
        ['targets', name],
      ]);
      // Nothing is staged, and nothing stays behind but what docker keeps too.
      expect(readdirSync(join(session.cache.folder(name), '..'))).toEqual(['metadata']);
      // Another repository, the same root key, another certificate.
      await signTag(session, { ...one, gun: gun('begin/two') });
      expect((await session.keys.list()).filter((key) => key.name === 'root')).toHaveLength(1);
    });

    it(`what stands is signed again when asked to, and only then`, async () => {
      const session = machine();
      const name = gun('renew');
      const bob = await storedSigner(session, 'bob');
      const one = { gun: name, tag: '1', ...content('one'), signer: bob };
      await signTag(session, one);
      expect(await signTag(session, { ...one, renew: true })).toBe(true);
      const { repository } = await trusted(session, name);
      expect(repository.tree.roles.get('targets/bob')?.version).toBe(2);
      expect(await signTag(session, { ...one, ...content('other') })).toBe(true);
      expect(await tagOf(session, name, '1')).toBe(content('other').digest);
    });

    it(`a repository without signers is signed by its own key, where that is here`, async () => {
      const session = machine();
      const name = gun('targets-only');
      expect(await initialise(session, name, { signers: [] })).toBe('stored');
      const bob = await storedSigner(session, 'bob');
      const one = { gun: name, tag: '1', ...content('one'), signer: bob };
      expect(await signTag(session, one)).toBe(true);
      expect(await rolesWith(session, name, '1')).toEqual(['targets']);
      const elsewhere = machine();
      const eve = await storedSigner(elsewhere, 'eve');
      await expect(signTag(elsewhere, { ...one, signer: eve })).rejects.toMatchObject({
        code: 'NO_SIGNING_KEY',
        message: expect.stringContaining(`countersign signer add eve --key FILE ${name}`),
      });
    });

    it(`signers are added, sign with nothing but their own key, and go`, async () => {
      const owner = machine();
      const name = gun('signers');
      const alice = await storedSigner(owner, 'alice');
      await signTag(owner, { gun: name, tag: 'a', ...content('a'), signer: alice });
      const elsewhere = machine();
      const bob = await storedSigner(elsewhere, 'bob', 'ed25519');
      const signing = { gun: name, tag: 'b', ...content('b'), signer: bob };
      await expect(signTag(elsewhere, signing)).rejects.toMatchObject({
        code: 'NO_SIGNING_KEY',
        message: expect.stringContaining('bob is none of its signers'),
      });
      const adding = { gun: name, name: 'bob', keys: keysOf(bob) };
      await expect(addSigner(elsewhere, adding)).rejects.toMatchObject({ code: 'NO_SIGNING_KEY' });
      expect(await addSigner(owner, adding)).toBe(true);
      expect(await addSigner(owner, adding)).toBe(false);
      expect(await signTag(elsewhere, signing)).toBe(true);
      expect(await tagOf(owner, name, 'a')).toBe(content('a').digest);
      expect(await tagOf(owner, name, 'b')).toBe(content('b').digest);

      // Bob was the last to sign targets/releases: it is signed anew, without what only he said.
      expect(await removeSigner(owner, name, 'bob')).toEqual({
        releasesSigned: true,
        stillReleased: [],
      });
      expect(await tagOf(owner, name, 'a')).toBe(content('a').digest);
      expect(await tagOf(owner, name, 'b')).toBe('absent');
      await expect(signTag(elsewhere, signing)).rejects.toMatchObject({ code: 'NO_SIGNING_KEY' });
      await expect(removeSigner(owner, name, 'bob')).rejects.toMatchObject({
        code: 'NO_TRUST_DATA',
      });

      // The name comes back with another key; what the old key said does not.
      const next = await storedSigner(machine(), 'bob');
      await addSigner(owner, { gun: name, name: 'bob', keys: keysOf(next) });
      const third = machine();
      await third.keys.add(await generateKey('ecdsa-p256'), 'other', SESSION_PASSPHRASE);
      expect(await signTag(third, { ...signing, tag: 'c', signer: next })).toBe(true);
      expect(await rolesWith(third, name, 'b')).toEqual([]);
      expect(await rolesWith(third, name, 'c')).toEqual(['targets/bob', 'targets/releases']);
    });

    it(`without another signer's key the rest stays to be released by the next signature`, async () => {
      const owner = machine();
      const name = gun('owner-only');
      const { one, two, alice, bob } = await aliceAndBob(owner, name);
      await signTag(one, { gun: name, tag: 'a', ...content('a'), signer: alice });
      await signTag(two, { gun: name, tag: 'b', ...content('b'), signer: bob });
      expect(await removeSigner(owner, name, 'bob')).toEqual({
        releasesSigned: false,
        stillReleased: [],
      });
      expect(await tagOf(owner, name, 'a')).toBe('unreadable');
      // What the removed signer left in targets/releases is not vouched for by whoever signs next.
      await signTag(one, { gun: name, tag: 'c', ...content('c'), signer: alice });
      expect(await tagOf(owner, name, 'a')).toBe(content('a').digest);
      expect(await tagOf(owner, name, 'b')).toBe('absent');
      expect(await tagOf(owner, name, 'c')).toBe(content('c').digest);
    });

    it(`what a removed signer leaves in a file that another has signed since is named`, async () => {
      const owner = machine();
      const name = gun('left-over');
      const { one, two, alice, bob } = await aliceAndBob(owner, name);
      await signTag(two, { gun: name, tag: 'b', ...content('b'), signer: bob });
      await signTag(one, { gun: name, tag: 'a', ...content('a'), signer: alice });
      expect(await removeSigner(owner, name, 'bob')).toEqual({
        releasesSigned: true,
        stillReleased: ['b'],
      });
      expect(await tagOf(owner, name, 'b')).toBe(content('b').digest);
      await revokeTags(one, name, 'b');
      expect(await tagOf(owner, name, 'b')).toBe('absent');
      expect(await tagOf(owner, name, 'a')).toBe(content('a').digest);
    });

    it(`of those who sign at once nobody loses an entry`, async () => {
      const owner = machine();
      const name = gun('crowd');
      await initialise(owner, name, { signers: [] });
      const crowd: [TestSession, NamedSigner][] = [];
      for (const each of ['ann', 'bea', 'cem', 'dan']) {
        const session = machine();
        const signer = await storedSigner(session, each);
        await addSigner(owner, { gun: name, name: each, keys: keysOf(signer) });
        crowd.push([session, signer]);
      }
      const written = await Promise.all(
        crowd.map(([session, signer]) =>
          signTag(session, { gun: name, tag: signer.name ?? '', ...content('x'), signer }),
        ),
      );
      expect(written).toEqual([true, true, true, true]);
      for (const [, { name: tag }] of crowd) {
        expect(await rolesWith(owner, name, tag ?? '')).toEqual([
          `targets/${tag}`,
          'targets/releases',
        ]);
      }
      // Who had to try again has staged nothing: a folder `changelist` is what notary would publish next.
      for (const [{ cache }] of crowd)
        expect(readdirSync(dirname(cache.folder(name)))).toEqual(['metadata']);
    });

    it(`of two who begin at once one is first, and the other signs nothing in its place`, async () => {
      const name = gun('race');
      const [one, two] = [machine(), machine()];
      const results = await Promise.allSettled(
        [one, two].map(async (session, index) => {
          const signer = await storedSigner(session, `s${index}`);
          return signTag(session, { gun: name, tag: '1', ...content('x'), signer });
        }),
      );
      expect(results.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected']);
      const lost = results.find((result) => result.status === 'rejected');
      expect(lost?.reason).toMatchObject({ code: 'NO_SIGNING_KEY' });
      const targets = await Promise.all([one, two].map(async ({ keys }) => keys.list()));
      // The targets key that nothing lists is gone again.
      expect(targets.flat().filter((key) => key.name === 'targets')).toHaveLength(1);
    });

    it(`a tag is taken out of every role that has it, targets of before there were signers too`, async () => {
      const owner = machine();
      const name = gun('revoke');
      await initialise(owner, name, { signers: [] });
      const alice = await storedSigner(owner, 'alice');
      const old = { gun: name, tag: 'old', ...content('old'), signer: alice };
      await signTag(owner, old);
      await addSigner(owner, { gun: name, name: 'alice', keys: keysOf(alice) });
      await signTag(owner, { ...old, ...content('new') });
      await signTag(owner, { ...old, tag: 'other' });
      expect(await rolesWith(owner, name, 'old')).toEqual([
        'targets',
        'targets/alice',
        'targets/releases',
      ]);
      const revoked = await revokeTags(owner, name, 'old');
      expect(revoked.removed.map(({ role }) => role)).toEqual([
        'targets',
        'targets/alice',
        'targets/releases',
      ]);
      expect(revoked.remaining).toEqual([]);
      expect(await tagOf(owner, name, 'old')).toBe('absent');
      expect(await tagOf(owner, name, 'other')).toBe(content('old').digest);
      await expect(revokeTags(owner, name, 'old')).rejects.toMatchObject({
        code: 'NO_TRUST_DATA',
        message: 'No valid trust data for old',
      });
      // Everything.
      await revokeTags(owner, name, null);
      expect(await tagOf(owner, name, 'other')).toBe('absent');
    });

    it(`of a tag that others signed too, what stands is said`, async () => {
      const owner = machine();
      const name = gun('revoke-others');
      await initialise(owner, name, { signers: [] });
      const root = await storedSigner(owner, 'root-holder');
      await signTag(owner, { gun: name, tag: '1', ...content('1'), signer: root });
      const elsewhere = machine();
      const alice = await storedSigner(elsewhere, 'alice');
      await addSigner(owner, { gun: name, name: 'alice', keys: keysOf(alice) });
      await signTag(elsewhere, { gun: name, tag: '1', ...content('1'), signer: alice });
      expect(await revokeTags(elsewhere, name, '1')).toMatchObject({
        removed: [{ role: 'targets/alice' }, { role: 'targets/releases' }],
        remaining: [{ role: 'targets', tags: ['1'] }],
      });
      await expect(revokeTags(elsewhere, name, '1')).rejects.toMatchObject({
        code: 'NO_SIGNING_KEY',
      });
      await expect(revokeTags(machine(), gun('nothing'), '1')).rejects.toMatchObject({
        code: 'NO_TRUST_DATA',
        message: expect.stringContaining('remote trust data does not exist for'),
      });
    });

    it(`root and server keys change, and who slept through it follows`, async () => {
      const owner = machine();
      const sleeper = machine();
      const name = gun('rotate');
      const alice = await storedSigner(owner, 'alice');
      const one = { gun: name, tag: '1', ...content('1'), signer: alice };
      await signTag(owner, one);
      const before = await trusted(sleeper, name);
      const first = [...before.repository.root.roles.root.keys.values()][0];
      const old = (await owner.keys.list()).find((key) => key.name === 'root')?.notaryId ?? '';
      const { keyId } = await rotateRoot(owner, name, { keep: false });
      // Nobody begins the next repository with a stolen key unawares.
      const told = owner.notes.length;
      expect(owner.notes.at(-1)).toContain(`the old root key ${old.slice(0, 12)} signs nothing`);
      const kept = await rotateRoot(owner, name, { keep: true });
      expect(kept.keyId).toBe(keyId);
      expect(owner.notes).toHaveLength(told);
      for (const role of ['timestamp', 'snapshot'] as const) {
        const id = (await rotateServerKeys(owner, name, [role])).get(role);
        const { repository } = await trusted(owner, name);
        expect([...repository.root.roles[role].keys.keys()]).toEqual([id]);
      }
      const after = await trusted(sleeper, name);
      expect(after.repository.root.version).toBe(5);
      expect([...after.repository.root.roles.root.keys.values()][0]?.key?.id).not.toBe(
        first?.key?.id,
      );
      expect(await tagOf(sleeper, name, '1')).toBe(content('1').digest);
      expect(await signTag(owner, { ...one, tag: '2' })).toBe(true);
      await expect(rotateRoot(sleeper, name, { keep: false })).rejects.toMatchObject({
        code: 'NO_SIGNING_KEY',
      });
      // No key is made for nothing.
      expect(await sleeper.keys.list()).toEqual([]);
    });

    it(`a root that takes several keys together is not left to one`, async () => {
      const owner = machine();
      const name = gun('quorum');
      await initialise(owner, name, { signers: [] });
      const begun = await trusted(owner, name);
      const { roles } = begun.repository.root;
      const { signer } = await makeKey(owner, { role: 'root', gun: null });
      const second = await certify(name, signer, new Date());
      const listed = new Map(roles.root.keys).set(second.key.id, second.key);
      const both = { name: 'root', keys: listed, threshold: 2 };
      const root = { roles: { ...roles, root: both }, alsoBy: [roles.root] };
      const keys = heldKeys(owner.keys, owner.open);
      expect(await submit(owner, keys, begun, { roles: [], root })).toBe('stored');
      for (const keep of [false, true]) {
        await expect(rotateRoot(owner, name, { keep })).rejects.toMatchObject({
          code: 'USAGE',
          message: expect.stringContaining('takes 2 of 2 keys together'),
        });
      }
      expect((await trusted(owner, name)).repository.root.roles.root.threshold).toBe(2);
      expect((await owner.keys.list()).filter((key) => key.name === 'root')).toHaveLength(2);
      await rotateServerKeys(owner, name, ['timestamp']);
      expect((await trusted(owner, name)).repository.root.roles.root.threshold).toBe(2);
    });

    it(`where this machine holds the snapshot key it signs snapshots, until it hands that to the server`, async () => {
      const owner = machine();
      const name = gun('client-snapshot');
      const alice = await storedSigner(owner, 'alice');
      const one = { gun: name, tag: '1', ...content('1'), signer: alice };
      await signTag(owner, one);
      const begun = await trusted(owner, name);
      const { signer } = await makeKey(owner, { role: 'snapshot', gun: name });
      const key = tufKeyOf(signer.publicKey);
      const { roles } = begun.repository.root;
      const snapshot = { name: 'snapshot', keys: new Map([[key.id, key]]), threshold: 1 };
      const root = { roles: { ...roles, snapshot }, alsoBy: [] };
      const keys = heldKeys(owner.keys, owner.open);
      expect(await submit(owner, keys, begun, { roles: [], root })).toBe('stored');
      expect(await signTag(owner, { ...one, tag: '2' })).toBe(true);
      const { repository } = await trusted(machine(), name);
      expect(repository.snapshot.envelope.signatures.map(({ keyid }) => keyid)).toEqual([key.id]);
      expect(await tagOf(machine(), name, '2')).toBe(content('1').digest);

      // Elsewhere the signer's key is not enough, and the server says why.
      const elsewhere = machine();
      await expect(signTag(elsewhere, { ...one, tag: '3' })).rejects.toMatchObject({
        code: 'TRUST_UPDATE_REFUSED',
      });
      expect(await rolesWith(elsewhere, name, '3')).toEqual([]);
      await rotateServerKeys(owner, name, ['snapshot']);
      expect(await signTag(elsewhere, { ...one, tag: '3' })).toBe(true);
    });

    it(`a root that ends soon is signed again with the next publish, by whoever has its key`, async () => {
      const owner = machine();
      const name = gun('expiry');
      const alice = await storedSigner(owner, 'alice');
      const one = { gun: name, tag: '1', ...content('1'), signer: alice };
      await signTag(owner, one);
      const { root } = (await trusted(owner, name)).repository;
      const soon = new Date(Date.now() + 90 * 86_400_000);
      const signers = await heldKeys(owner.keys, owner.open).signersOf(root.roles.root);
      const bytes = await buildRoot(root.roles, { version: 2, expires: soon, signers });
      await owner.server.publish(name, [{ role: 'root', bytes }]);

      const elsewhere = machine();
      await signTag(elsewhere, { ...one, tag: '2' });
      const said = elsewhere.notes.join('\n');
      expect(said).toContain(`the root of ${name} ends at ${soon.toISOString().slice(0, 10)}`);
      expect(said).toContain('was not signed again');
      expect((await trusted(owner, name)).repository.root.version).toBe(2);

      await signTag(owner, { ...one, tag: '3' });
      const again = (await trusted(elsewhere, name)).repository;
      expect(again.root.version).toBe(3);
      const years = (again.root.expires.getTime() - Date.now()) / (365 * 86_400_000);
      expect(Math.round(years)).toBe(10);
      expect(endingSoon(again, new Date())).toEqual([]);
      const late = new Date(Date.now() + 9.5 * 365 * 86_400_000);
      expect(endingSoon(again, late).map(({ what }) => what)).toEqual([
        'root',
        'root certificate',
        'targets',
        'targets/alice',
        'targets/releases',
      ]);
    });

    it(`deleted trust data is not begun anew over what this machine has seen`, async () => {
      const session = machine();
      const name = gun('deleted');
      const alice = await storedSigner(session, 'alice');
      const one = { gun: name, tag: '1', ...content('1'), signer: alice };
      await signTag(session, one);
      await session.server.remove(name);
      await expect(signTag(session, one)).rejects.toMatchObject({
        code: 'NO_TRUST_DATA',
        message: expect.stringContaining(session.cache.folder(name)),
      });
    });
  });
}
