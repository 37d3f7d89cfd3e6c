import { describe, expect, it } from 'vitest';
import { digestOf } from '../../src/oci/digest.ts';
import { REPOSITORY } from '../../src/trust/format.ts';
import { tagInMap } from '../../src/trust/dct/tag-in-map.ts';
import type { NotaryStage } from '../support/notary-service.ts';
import {
  gunOf,
  makeOwner,
  notarySuite,
  publishFiles,
  snapshotFile,
  targetsFile,
} from '../support/notary-service.ts';
import { makeHand, roleOf } from '../support/tuf.ts';

const gun = gunOf('team/app');

/** What docker's look-up at the gate says that a tag is. */
async function meant({ notary }: NotaryStage, tag: string): Promise<string | null> {
  const data = await notary.trustData(gun);
  return data?.current.ok === true
    ? tagInMap(data.current.value, tag, [REPOSITORY], new Set())
    : null;
}

describe('a snapshot that its owner signs', () => {
  const start = notarySuite();

  it('T-23: hides nothing that was published before: an older tag of targets does not come back', async () => {
    const stage = await start();
    const hand = await makeHand('ecdsa-p256');
    const owner = await makeOwner(stage, gun, { snapshot: hand });
    const bob = await makeHand('ecdsa-p256');
    const root = await owner.root(1);
    const targets = await owner.targets(1, { '1': 'old' }, [roleOf('targets/releases', [bob])]);
    const alone = { root, targets };
    const first = { ...alone, snapshot: await snapshotFile(1, alone, [hand]) };
    expect(await publishFiles(stage, gun, first)).toMatchObject({ ok: true });
    // Nothing was released yet.
    expect(await meant(stage, '1')).toBe(digestOf(Buffer.from('old')));
    const releases = { 'targets/releases': await targetsFile(1, { '1': 'new' }, [bob]) };
    const snapshot = await snapshotFile(2, { ...alone, ...releases }, [hand]);
    expect(await publishFiles(stage, gun, { ...releases, snapshot })).toMatchObject({ ok: true });
    expect(await meant(stage, '1')).toBe(digestOf(Buffer.from('new')));
    const hiding = { snapshot: await snapshotFile(3, alone, [hand]) };
    expect(await publishFiles(stage, gun, hiding)).toMatchObject({ ok: true });
    expect(await meant(stage, '1')).toBeNull();
  });
});
