import { describe, expect, it } from 'vitest';
import { unwrap } from '../../../src/lib/result.ts';
import { digestOf } from '../../../src/oci/digest.ts';
import type { Repository } from '../../../src/oci/reference.ts';
import { editable } from '../../../src/trust/dct/editable.ts';
import { loadTrust } from '../../../src/trust/dct/load.ts';
import { revokeTags } from '../../../src/trust/dct/revoke-tags.ts';
import type { TrustSession } from '../../../src/trust/dct/session.ts';
import { signTag } from '../../../src/trust/dct/sign-tag.ts';
import { addSigner } from '../../../src/trust/dct/signers.ts';
import { tufKeyOf } from '../../../src/tuf/public-key.ts';
import { verifyRepository } from '../../../src/tuf/repository.ts';
import { verifyRoot } from '../../../src/tuf/root-trust.ts';
import { trustMachines } from '../../support/trust-machines.ts';
import { gunOf, storedSigner } from '../../support/trust-session.ts';
import { GUN, makeRepository, NOW, replaced, resign } from '../../support/tuf.ts';

const HOST = 'registry.example.com:5000';
const DAY = 86_400_000;
const AT = { gun: GUN, now: NOW };
const image = { digest: digestOf(Buffer.from('one')), length: 3 };

describe('what a signer said once and is not believed now', () => {
  const { machine, moveClock } = trustMachines(HOST);
  const tagsOf = async (session: TrustSession, gun: Repository): Promise<readonly string[]> => {
    const loaded = await loadTrust(session, gun);
    if (loaded.kind !== 'trusted') throw new Error(JSON.stringify(loaded));
    return [...loaded.repository.tree.roles.values()].flatMap(({ targets }) => [...targets.keys()]);
  };

  it('is taken out of roles that have expired too, or the next signature would bring it back', async () => {
    const session = machine();
    const gun = gunOf(HOST, 'expired');
    const signer = await storedSigner(session, 'alice');
    const signing = { gun, ...image, signer };
    moveClock(-3 * 365 * DAY + 2 * DAY);
    await signTag(session, { ...signing, tag: 'bad' });
    moveClock(0);
    // `targets` is renewed meanwhile, or nothing at all could be read.
    const other = await storedSigner(machine(), 'bob');
    await addSigner(session, { gun, name: 'bob', keys: [tufKeyOf(other.publicKey)] });
    moveClock(3 * DAY);
    expect(await tagsOf(session, gun)).toEqual([]);
    const { removed } = await revokeTags(session, gun, 'bad');
    expect(removed.map(({ role }) => role)).toEqual(['targets/alice', 'targets/releases']);
    await signTag(session, { ...signing, tag: 'good' });
    expect(await tagsOf(session, gun)).toEqual(['good', 'good']);
  });

  it('T-23: is not gone on from where it is older than what was seen, expired or not', async () => {
    const made = await makeRepository();
    const root = unwrap(
      verifyRoot(made.files.get('root') ?? Buffer.of(), { ...AT, expiry: 'any' }),
    );
    const seen = new Map([['targets/releases', 2]]);
    const repository = unwrap(verifyRepository({ ...AT, root, files: made.files, seen }));
    const loaded = {
      gun: gunOf('registry.example.com', 'team/app'),
      repository,
      files: made.files,
    };
    for (const now of [NOW, new Date(NOW.getTime() + 4 * 365 * DAY)]) {
      expect(() => editable(loaded, 'targets/releases', now)).toThrow(
        expect.objectContaining({ code: 'TRUST_DATA_ROLLBACK' }),
      );
    }
    expect(editable(loaded, 'targets/alice', NOW).believed).toBe(true);
  });

  it('T-23: is not gone on from where it has expired on the server and is older, too', async () => {
    const made = await makeRepository();
    const old = made.files.get('targets/releases') ?? Buffer.of();
    const lapsed = await resign(old, { expires: '2026-01-01T00:00:00Z' }, [made.hands.alice]);
    const files = await replaced(made, 'targets/releases', lapsed);
    const root = unwrap(verifyRoot(files.get('root') ?? Buffer.of(), { ...AT, expiry: 'any' }));
    const loaded = (seen: number) => ({
      gun: gunOf('registry.example.com', 'team/app'),
      repository: unwrap(
        verifyRepository({ ...AT, root, files, seen: new Map([['targets/releases', seen]]) }),
      ),
      files,
    });
    expect(editable(loaded(1), 'targets/releases', NOW)).toMatchObject({
      believed: false,
      version: 1,
    });
    expect(() => editable(loaded(2), 'targets/releases', NOW)).toThrow(
      expect.objectContaining({ code: 'TRUST_DATA_ROLLBACK' }),
    );
  });
});
