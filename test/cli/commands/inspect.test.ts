import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Digest } from '../../../src/oci/digest.ts';
import { hexOf } from '../../../src/oci/digest.ts';
import type { Holding } from '../../support/holding.ts';
import { startHolding } from '../../support/holding.ts';
import { buildImage, pushImage } from '../../support/image.ts';
import { suiteScope } from '../../support/scope.ts';

describe('countersign inspect', () => {
  const scope = suiteScope();
  let holding: Holding;
  const digests: Digest[] = [];
  let keyFile = '';
  beforeAll(async () => {
    holding = await startHolding(scope);
    keyFile = join(holding.site.policies, 'keys', 'release-bot.pub');
    for (const tag of ['1', '2']) {
      const image = buildImage({ annotations: { tag } });
      digests.push(await pushImage(holding.service.url, 'team/app', image, tag));
      await holding.cli('sign', holding.at(`team/app:${tag}`), '--key', 'release-bot');
    }
    await holding.cli('sign', holding.at('team/app:2'), '--key', 'intern');
  });

  it('shows every tag of a repository, its digest and its signers, as the service knows them', async () => {
    const { code, data } = await holding.json('inspect', holding.at('team/app'));
    expect(code).toBe(0);
    const signatures = (tag: string) => [
      { signer: 'release-bot', format: 'cosign', repository: holding.at('team/app'), tag },
    ];
    expect(data).toMatchObject({
      repository: holding.at('team/app'),
      images: [
        { tag: '1', digest: digests[0], signatures: signatures('1'), others: 0 },
        { tag: '2', digest: digests[1], signatures: signatures('2'), others: 1 },
      ],
      unread: [],
    });
    const { stdout } = await holding.cli('inspect', holding.at('team/app'));
    for (const part of [...digests, 'release-bot, key ', '1 more that no known key verifies']) {
      expect(stdout).toContain(part);
    }
  });

  it('shows one tag or digest', async () => {
    const byTag = await holding.json('inspect', holding.at('team/app:1'));
    expect(byTag.data).toMatchObject({ images: [{ tag: '1', digest: digests[0] }] });
    const byDigest = await holding.json('inspect', holding.at(`team/app@${digests[1]}`));
    expect(byDigest.data).toMatchObject({ images: [{ tag: null, digest: digests[1] }] });
  });

  it("speaks docker's JSON", async () => {
    const ran = await holding.cli('inspect', '--format', 'docker', holding.at('team/app'));
    expect(ran.code).toBe(0);
    expect(JSON.parse(ran.stdout)).toEqual([
      {
        Name: holding.at('team/app'),
        SignedTags: ['1', '2'].map((tag, at) => ({
          SignedTag: tag,
          Digest: hexOf(digests[at] as Digest),
          Signers: ['release-bot'],
        })),
        Signers: [{ Name: 'release-bot', Keys: [{ ID: expect.stringMatching(/^[0-9a-f]{64}$/) }] }],
        AdministrativeKeys: [],
      },
    ]);
  });

  it('judges by keys or policies given here, and believes nobody else', async () => {
    const name = holding.at('team/app:2');
    const byKey = await holding.json('inspect', '--key', keyFile, name);
    expect(byKey).toMatchObject({
      code: 0,
      data: { images: [{ signatures: [{ signer: 'release-bot', tag: '2' }], others: 1 }] },
    });
    const byPolicies = await holding.json('inspect', '--policies', holding.site.policies, name);
    expect(byPolicies.data).toMatchObject({
      images: [{ signatures: [{ signer: 'release-bot' }] }],
    });
    const intern = join(holding.site.policies, 'keys', 'intern.pub');
    const other = await holding.json('inspect', '--key', intern, holding.at('team/app:1'));
    expect(other).toMatchObject({ code: 1, data: { images: [{ signatures: [], others: 1 }] } });
  });

  it('says what is not there, what is used wrongly, and what it could not find out', async () => {
    expect(await holding.cli('inspect', holding.at('team/nothing'))).toMatchObject({ code: 1 });
    expect(await holding.cli('inspect', holding.at('team/nothing:1'))).toMatchObject({ code: 1 });
    expect(await holding.cli('inspect', '--pretty', holding.at('team/nothing'))).toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringMatching(
        /^error: expected an image \S+\/team\/nothing in the registry, found none$/m,
      ),
    });
    const both = ['--key', keyFile, '--server', holding.service.url];
    expect(await holding.cli('inspect', holding.at('team/app'), ...both)).toMatchObject({
      code: 2,
    });
    expect(await holding.cli('inspect', '127.0.0.1:1/team/app:1')).toMatchObject({ code: 3 });
  });
});
