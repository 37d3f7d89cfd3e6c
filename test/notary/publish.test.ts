import { describe, expect, it } from 'vitest';
import { digestOf } from '../../src/oci/digest.ts';
import { suiteScope } from '../support/scope.ts';
import {
  begin,
  dataIn,
  gunOf,
  makeOwner,
  publishFiles,
  startNotary,
} from '../support/notary-service.ts';

const scope = suiteScope();
const gun = gunOf('team/app');

describe('a publish', () => {
  it('begins a repository: the client’s files byte for byte, a snapshot and a timestamp of the server', async () => {
    const stage = await startNotary(dataIn(scope.folder()));
    const owner = await makeOwner(stage, gun);
    const root = await owner.root(1);
    const targets = await owner.targets(1, { latest: 'one' });
    expect(await publishFiles(stage, gun, { root, targets })).toEqual({
      ok: true,
      signed: [digestOf(Buffer.from('one'))],
    });
    expect((await stage.notary.current(gun, 'root'))?.bytes).toEqual(root);
    expect((await stage.notary.current(gun, 'targets'))?.bytes).toEqual(targets);
    expect((await stage.notary.current(gun, 'timestamp'))?.version).toBe(1);
    const data = await stage.notary.trustData(gun);
    expect(data?.current).toMatchObject({ ok: true });
    expect(await begin(stage, owner)).toEqual({ ok: false, refusal: { code: 'VERSION' } });
    await stage.close();
  });
});
