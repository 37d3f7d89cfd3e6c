import { join } from 'node:path';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { digestOf } from '../../../src/oci/digest.ts';
import { editable } from '../../../src/trust/dct/editable.ts';
import { loadTrust } from '../../../src/trust/dct/load.ts';
import { revokeTags } from '../../../src/trust/dct/revoke-tags.ts';
import { addSigner } from '../../../src/trust/dct/signers.ts';
import type { TrustSession } from '../../../src/trust/dct/session.ts';
import { signTag } from '../../../src/trust/dct/sign-tag.ts';
import { unwrap } from '../../../src/lib/result.ts';
import { verifyRepository } from '../../../src/tuf/repository.ts';
import { verifyRoot } from '../../../src/tuf/root-trust.ts';
import { GUN, makeRepository, NOW, replaced, resign } from '../../support/tuf.ts';
import { tufKeyOf } from '../../../src/tuf/public-key.ts';
import type { Repository } from '../../../src/oci/reference.ts';
import { suiteScope } from '../../support/scope.ts';
import { startTrustServer } from '../../support/trust-server.ts';
import type { TestSession } from '../../support/trust-session.ts';
import { gunOf, openSession, storedSigner } from '../../support/trust-session.ts';

const HOST = 'registry.example.com:5000';
const DAY = 86_400_000;
const AT = { gun: GUN, now: NOW };
const image = { digest: digestOf(Buffer.from('one')), length: 3 };

describe('what a signer said once and is not believed now', () => {
  const scope = suiteScope();
  let url: string;
  let later = 0;
  let machines = 0;
  beforeAll(async () => {
    const folder = join(scope.folder(), 'server');
    ({ url } = scope.own(await startTrustServer(folder, 'countersign', { registry: HOST })));
  });
  afterEach(() => {
    later = 0;
  });

  const machine = (): TestSession => {
    const folder = join(scope.folder(), `machine-${machines++}`);
    const session = openSession(folder, url, HOST, () => new Date(Date.now() + later));
    scope.own({ stop: () => session.server.close() });
    return session;
  };
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
    later = -3 * 365 * DAY + 2 * DAY;
    await signTag(session, { ...signing, tag: 'bad' });
    later = 0;
    // `targets` is renewed meanwhile, or nothing at all could be read.
    const other = await storedSigner(machine(), 'bob');
    await addSigner(session, { gun, name: 'bob', keys: [tufKeyOf(other.publicKey)] });
    later = 3 * DAY;
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
