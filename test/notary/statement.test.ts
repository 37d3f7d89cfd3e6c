import { describe, expect, it } from 'vitest';
import { unwrap } from '../../src/lib/result.ts';
import type { JsonObject } from '../../src/lib/json.ts';
import { parseEnvelope } from '../../src/tuf/envelope.ts';
import { lifetime } from '../../src/tuf/lifetime.ts';
import {
  begin,
  faultOf,
  gunOf,
  makeOwner,
  notarySuite,
  publishFiles,
  refusedFiles,
  targetsFile,
} from '../support/notary-service.ts';
import type { NotaryStage } from '../support/notary-service.ts';
import type { Hand } from '../support/tuf.ts';
import { makeHand, roleOf } from '../support/tuf.ts';

const dev = gunOf('team/dev');
const prod = gunOf('team/prod');
const FOREIGN = faultOf(
  'ErrBadTargets',
  /^these targets were signed for another role or repository/,
);

/** Begins a repository that lets a signer sign, and releases. */
async function beginWith(stage: NotaryStage, gun: typeof dev, hand: Hand): Promise<void> {
  const owner = await makeOwner(stage, gun);
  const roles = ['targets/bot', 'targets/releases'].map((name) => roleOf(name, [hand]));
  await begin(stage, owner, {});
  const targets = await owner.targets(2, {}, roles);
  expect(await publishFiles(stage, gun, { targets })).toMatchObject({ ok: true });
}

describe('what a signer signed for one repository', () => {
  const start = notarySuite();

  it('T-07: is not taken by another where the same key signs, under no role, in no other envelope', async () => {
    const stage = await start();
    const bot = await makeHand('ecdsa-p256');
    await beginWith(stage, dev, bot);
    await beginWith(stage, prod, bot);
    const expires = lifetime('targets', stage.now);
    const file = await targetsFile(7, { '1.0': 'of dev' }, [bot], { expires });
    expect(await publishFiles(stage, dev, { 'targets/bot': file })).toMatchObject({ ok: true });
    // Signed once more by the same key: another signature, the same statement.
    const again = await targetsFile(7, { '1.0': 'of dev' }, [bot], { expires });
    expect(again.equals(file)).toBe(false);
    const { signed } = JSON.parse(file.toString()) as JsonObject;
    const { signatures } = JSON.parse(file.toString()) as JsonObject;
    const spaced = Buffer.from(JSON.stringify({ signatures, signed }, null, 1));
    expect(unwrap(parseEnvelope(spaced)).message).toEqual(unwrap(parseEnvelope(file)).message);
    for (const bytes of [file, again, spaced]) {
      for (const role of ['targets/bot', 'targets/releases']) {
        expect(await refusedFiles(stage, prod, { [role]: bytes })).toEqual(FOREIGN);
      }
    }
  });

  it('T-14: for all in releases is not taken as her own word, in her own role', async () => {
    const stage = await start();
    const [alice, bob] = await Promise.all([makeHand('ecdsa-p256'), makeHand('ecdsa-p256')]);
    const owner = await makeOwner(stage, dev);
    const roles = [
      roleOf('targets/alice', [alice]),
      roleOf('targets/bob', [bob]),
      roleOf('targets/releases', [alice, bob]),
    ];
    await begin(stage, owner, {});
    await publishFiles(stage, dev, {
      targets: await owner.targets(2, {}, roles),
      'targets/bob': await targetsFile(1, { evil: 'evil' }, [bob]),
      'targets/releases': await targetsFile(1, { evil: 'evil' }, [bob]),
    });
    // Alice signs her own tag, and with it, as docker does, all of releases.
    const releases = await targetsFile(2, { evil: 'evil', '1.0': 'good' }, [alice]);
    const own = await targetsFile(1, { '1.0': 'good' }, [alice]);
    const both = { 'targets/alice': own, 'targets/releases': releases };
    expect(await publishFiles(stage, dev, both)).toMatchObject({ ok: true });
    expect(await refusedFiles(stage, dev, { 'targets/alice': releases })).toEqual(FOREIGN);
  });

  it('is taken in her own role and in releases, where one upload brings it for both, and then nowhere else', async () => {
    const stage = await start();
    const bot = await makeHand('ecdsa-p256');
    await beginWith(stage, dev, bot);
    await beginWith(stage, prod, bot);
    const file = await targetsFile(1, { '1.0': 'of dev' }, [bot]);
    const both = { 'targets/bot': file, 'targets/releases': file };
    expect(await publishFiles(stage, dev, both)).toMatchObject({
      ok: true,
      signed: [expect.any(String)],
    });
    for (const files of [both, { 'targets/bot': file }, { 'targets/releases': file }]) {
      expect(await refusedFiles(stage, prod, files)).toEqual(FOREIGN);
    }
  });

  it('T-07: is not taken after its own repository was deleted, nor by one that begins with it', async () => {
    const stage = await start();
    const bot = await makeHand('ecdsa-p256');
    await beginWith(stage, dev, bot);
    const file = await targetsFile(7, { '1.0': 'of dev' }, [bot]);
    await publishFiles(stage, dev, { 'targets/bot': file });
    await stage.notary.remove(dev, 'alice');
    await stage.notary.reset(dev, 'alice', 'begun again');
    const again = await stage.restart();
    const owner = await makeOwner(again, prod);
    const files = {
      root: await owner.root(1),
      targets: await owner.targets(1, {}, [roleOf('targets/bot', [bot])]),
    };
    expect(await refusedFiles(again, prod, { ...files, 'targets/bot': file })).toEqual(FOREIGN);
    expect(await publishFiles(again, prod, files)).toMatchObject({ ok: true });
    await again.close();
  });
});
