import { describe, expect, it } from 'vitest';
import { digestOf } from '../../../src/oci/digest.ts';
import type { Repository } from '../../../src/oci/reference.ts';
import { heldKeys } from '../../../src/trust/dct/held-keys.ts';
import type { LoadedTrust } from '../../../src/trust/dct/load.ts';
import { loadTrust } from '../../../src/trust/dct/load.ts';
import { makeKey } from '../../../src/trust/dct/repository-keys.ts';
import { revokeTags } from '../../../src/trust/dct/revoke-tags.ts';
import type { TrustSession } from '../../../src/trust/dct/session.ts';
import { signTagWithHeldKeys } from '../../../src/trust/dct/sign-held.ts';
import { signTag } from '../../../src/trust/dct/sign-tag.ts';
import { addSigner } from '../../../src/trust/dct/signers.ts';
import { submit } from '../../../src/trust/dct/submit.ts';
import { lookUpTag } from '../../../src/tuf/lookup.ts';
import { tufKeyOf } from '../../../src/tuf/public-key.ts';
import { trustMachines } from '../../support/trust-machines.ts';
import { gunOf, storedSigner } from '../../support/trust-session.ts';

const HOST = 'registry.example.com:5000';
const DAY = 86_400_000;
/** Whose files end in two days, by the server's clock. */
const LONG_AGO = -3 * 365 * DAY + 2 * DAY;
const AFTER = 3 * DAY;
const image = { digest: digestOf(Buffer.from('one')), length: 3 };

describe('trust data that have expired', () => {
  const { machine, moveClock } = trustMachines(HOST);
  const loaded = async (session: TrustSession, gun: Repository): Promise<LoadedTrust> => {
    const read = await loadTrust(session, gun);
    if (read.kind !== 'trusted') throw new Error(JSON.stringify(read));
    return read;
  };
  const digestOfTag = async (gun: Repository, tag: string): Promise<string | null> => {
    const found = lookUpTag((await loaded(machine(), gun)).repository.tree, tag);
    return found.kind === 'signed' ? found.entry.digest : null;
  };

  it('are refused with the command that signs them again', async () => {
    const owner = machine();
    const gun = gunOf(HOST, 'refused');
    const signer = await storedSigner(owner, 'alice');
    moveClock(LONG_AGO);
    await signTag(owner, { gun, ...image, signer, tag: 'old' });
    moveClock(AFTER);
    await expect(signTag(owner, { gun, ...image, signer, tag: 'new' })).rejects.toMatchObject({
      code: 'TRUST_DATA_EXPIRED',
      message: expect.stringMatching(/targets expired at .* countersign sign --renew/) as string,
    });
  });

  it('are signed again as they are, by who holds the keys and says so', async () => {
    const owner = machine();
    const gun = gunOf(HOST, 'renewed');
    const signer = await storedSigner(owner, 'alice');
    moveClock(LONG_AGO);
    await signTag(owner, { gun, ...image, signer, tag: 'old' });
    moveClock(AFTER);
    expect(await signTag(owner, { gun, ...image, signer, tag: 'new', renew: true })).toBe(true);
    expect(owner.notes).toContainEqual(
      expect.stringMatching(/the targets of .*renewed, version 1, had expired at .* signed again/),
    );
    expect(await digestOfTag(gun, 'old')).toBe(image.digest);
    expect(await digestOfTag(gun, 'new')).toBe(image.digest);
  });

  it('of a signer are not signed again without the holder of targets, and nothing is written', async () => {
    const owner = machine();
    const gun = gunOf(HOST, 'signer-only');
    const other = machine();
    const signer = await storedSigner(other, 'bob');
    moveClock(LONG_AGO);
    await addSigner(owner, { gun, name: 'bob', keys: [tufKeyOf(signer.publicKey)] });
    await signTag(other, { gun, ...image, signer, tag: 'old' });
    moveClock(AFTER);
    const signing = { gun, ...image, signer, tag: 'new', renew: true };
    await expect(signTag(other, signing)).rejects.toMatchObject({ code: 'NO_SIGNING_KEY' });
    expect(await loadTrust(machine(), gun)).toMatchObject({ kind: 'refused' });
    // The owner is no signer: adding one who is there already says what is to be renewed.
    const bob = { gun, name: 'bob', keys: [tufKeyOf(signer.publicKey)] };
    await expect(addSigner(owner, bob)).rejects.toMatchObject({ code: 'TRUST_DATA_EXPIRED' });
    expect(await addSigner(owner, { ...bob, renew: true })).toBe(true);
    expect((await loaded(machine(), gun)).repository.tree.roles.has('targets')).toBe(true);
    // What the signer said is still his to say again.
    expect(await digestOfTag(gun, 'old')).toBeNull();
    expect(await signTag(other, signing)).toBe(true);
    expect(await digestOfTag(gun, 'old')).toBe(image.digest);
  });

  it('of a signer alone hold again only where the signer says so, by either way of signing', async () => {
    const owner = machine();
    const gun = gunOf(HOST, 'delegation');
    const signer = await storedSigner(owner, 'alice');
    moveClock(LONG_AGO);
    await signTag(owner, { gun, ...image, signer, tag: 'old' });
    moveClock(0);
    const carol = await storedSigner(machine(), 'carol');
    await addSigner(owner, { gun, name: 'carol', keys: [tufKeyOf(carol.publicKey)] });
    moveClock(AFTER);
    const signing = { gun, ...image, signer, tag: 'new' };
    const refusal = {
      code: 'TRUST_DATA_EXPIRED',
      message: expect.stringMatching(
        /^targets\/\w+ of .* 1 other tags .*countersign sign --renew/,
      ) as string,
    };
    await expect(signTag(owner, signing)).rejects.toMatchObject(refusal);
    await expect(signTagWithHeldKeys(owner, signing)).rejects.toMatchObject(refusal);
    expect(await digestOfTag(gun, 'old')).toBeNull();
    expect(await signTag(owner, { ...signing, renew: true })).toBe(true);
    expect(await digestOfTag(gun, 'old')).toBe(image.digest);
  });

  it('of a signer hold again where something else is taken out of them, which is told', async () => {
    const owner = machine();
    const gun = gunOf(HOST, 'taken-out-of');
    const signer = await storedSigner(owner, 'alice');
    moveClock(LONG_AGO);
    for (const tag of ['old', 'bad']) await signTag(owner, { gun, ...image, signer, tag });
    moveClock(0);
    const carol = await storedSigner(machine(), 'carol');
    await addSigner(owner, { gun, name: 'carol', keys: [tufKeyOf(carol.publicKey)] });
    moveClock(AFTER);
    await revokeTags(owner, gun, 'bad');
    const again = /^targets\/\w+ of .* had expired at .* holds again, 1 tags \(old\)/;
    expect(owner.notes.filter((note) => again.test(note))).toHaveLength(2);
    expect(await digestOfTag(gun, 'bad')).toBeNull();
    expect(await digestOfTag(gun, 'old')).toBe(image.digest);
  });

  it('include a snapshot whose key a person holds', async () => {
    const owner = machine();
    const gun = gunOf(HOST, 'own-snapshot');
    const signer = await storedSigner(owner, 'alice');
    moveClock(LONG_AGO);
    await signTag(owner, { gun, ...image, signer, tag: 'old' });
    const begun = await loaded(owner, gun);
    const key = tufKeyOf((await makeKey(owner, { role: 'snapshot', gun })).signer.publicKey);
    const snapshot = { name: 'snapshot', keys: new Map([[key.id, key]]), threshold: 1 };
    const root = { roles: { ...begun.repository.root.roles, snapshot }, alsoBy: [] };
    await submit(owner, heldKeys(owner.keys, owner.open), begun, { roles: [], root });
    moveClock(AFTER);
    const signing = { gun, ...image, signer, tag: 'old' };
    await expect(signTag(owner, signing)).rejects.toMatchObject({
      message: expect.stringMatching(/snapshot expired at .* --renew/) as string,
    });
    expect(await signTag(owner, { ...signing, renew: true })).toBe(true);
    expect(await digestOfTag(gun, 'old')).toBe(image.digest);
    // Nothing but the snapshot had to be signed: adding a signer who is there does it alone.
    moveClock(LONG_AGO);
    const again = await loaded(owner, gun);
    await submit(owner, heldKeys(owner.keys, owner.open), again, { roles: [] });
    moveClock(AFTER);
    const alice = { gun, name: 'alice', keys: [tufKeyOf(signer.publicKey)], renew: true };
    const { version } = again.repository.tree.roles.get('targets') ?? { version: 0 };
    expect(await addSigner(owner, alice)).toBe(true);
    const { repository } = await loaded(machine(), gun);
    expect(repository.tree.roles.get('targets')?.version).toBe(version);
    // Who does not hold its key cannot.
    moveClock(LONG_AGO);
    await submit(owner, heldKeys(owner.keys, owner.open), await loaded(owner, gun), { roles: [] });
    moveClock(AFTER);
    await expect(addSigner(machine(), alice)).rejects.toMatchObject({ code: 'NO_SIGNING_KEY' });
  });
});
