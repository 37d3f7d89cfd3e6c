import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Digest } from '../../../src/oci/digest.ts';
import type { Holding } from '../../support/holding.ts';
import { startHolding } from '../../support/holding.ts';
import { buildImage, pushImage } from '../../support/image.ts';
import { suiteScope } from '../../support/scope.ts';

describe('countersign revoke', () => {
  const scope = suiteScope();
  let holding: Holding;
  let digest: Digest;
  beforeAll(async () => {
    holding = await startHolding(scope);
    digest = await pushImage(holding.service.url, 'team/app', buildImage(), '1');
    await holding.cli('sign', holding.at('team/app:1'), '--key', 'release-bot');
  });
  const verdict = async (name: string): Promise<number> =>
    (await holding.cli('verify', holding.at(name))).code;

  it('takes trust from a digest under every name, and gives it back', async () => {
    const name = holding.at(`team/app@${digest}`);
    expect(await verdict('team/app:1')).toBe(0);
    const { code, data } = await holding.json('revoke', name, '--reason', 'CVE-2026-1');
    expect(code).toBe(0);
    expect(data).toMatchObject({
      revocations: [
        { revocation: { kind: 'digest', digest, reason: 'CVE-2026-1' }, undone: false },
      ],
    });
    const denied = await holding.cli('verify', holding.at('team/app:1'));
    expect(denied).toMatchObject({ code: 1, stdout: expect.stringContaining('REVOKED') });
    expect(await holding.cli('revoke', '--undo', name)).toMatchObject({ code: 0 });
    expect(await verdict('team/app:1')).toBe(0);
  });

  it('takes trust from a tag, by that name only', async () => {
    const name = holding.at('team/app:1');
    expect(await holding.cli('revoke', name)).toMatchObject({ code: 0 });
    expect(await verdict('team/app:1')).toBe(1);
    expect(await verdict(`team/app@${digest}`)).toBe(0);
    expect(await holding.cli('revoke', name, '--undo')).toMatchObject({ code: 0 });
    expect(await verdict('team/app:1')).toBe(0);
  });

  it('takes trust from a key, named by its file', async () => {
    const file = join(holding.site.policies, 'keys', 'release-bot.pub');
    const key = ['--key', file, '--server', holding.service.url];
    expect(await holding.cli('revoke', ...key)).toMatchObject({ code: 0 });
    expect(await verdict('team/app:1')).toBe(1);
    expect(await holding.cli('revoke', ...key, '--undo')).toMatchObject({ code: 0 });
    expect(await verdict('team/app:1')).toBe(0);
  });

  it('takes either id of a key, whole or as far as tables show it, of who has the key and who has not', async () => {
    const listed = await holding.json('key', 'list');
    const { keys } = listed.data as { keys: { name: string; keyId: string; notaryId: string }[] };
    const key = keys.find(({ name }) => name === 'release-bot') ?? { keyId: '', notaryId: '' };
    const elsewhere = { env: { DOCKER_CONFIG: join(holding.site.folder, 'elsewhere') } };
    const revoke = (id: string, options = {}, ...more: readonly string[]) =>
      holding.site.cli(['revoke', '--key', id, '--server', holding.service.url, ...more], options);
    const inVerdict = await holding.json('verify', holding.at('team/app:1'));
    expect(JSON.stringify(inVerdict.data)).toContain(`"${key.keyId}"`);
    for (const [id, options] of [
      [key.keyId, {}],
      [key.notaryId, {}],
      [key.keyId.slice(0, 12), {}],
      [key.notaryId.slice(0, 12), {}],
      [key.keyId, elsewhere],
      [key.notaryId, elsewhere],
    ] as const) {
      expect(await revoke(id, options)).toMatchObject({
        code: 0,
        stderr: expect.stringMatching(new RegExp(`^key ${key.keyId} is revoked, record \\S+\n$`)),
      });
      expect(await verdict('team/app:1')).toBe(1);
      expect(await revoke(id, options, '--undo')).toMatchObject({ code: 0 });
      expect(await verdict('team/app:1')).toBe(0);
    }
    // Cut short, it is nobody's where the key is not.
    expect(await revoke(key.keyId.slice(0, 12), elsewhere)).toMatchObject({ code: 2 });
  });

  it('of a key under the id that docker shows holds also where a policy lists the key later, and is taken back by either (T-55)', async () => {
    const { site, service } = holding;
    await site.key('late');
    const listed = await holding.json('key', 'list');
    const { keys } = listed.data as { keys: { name: string; keyId: string; notaryId: string }[] };
    const { notaryId = '', keyId = '' } = keys.find(({ name }) => name === 'late') ?? {};
    // Asked where the key is not, as by an administrator.
    const env = { DOCKER_CONFIG: join(site.folder, 'elsewhere') };
    const revoke = (id: string, ...more: readonly string[]) =>
      site.cli(['revoke', '--key', id, '--server', service.url, ...more], { env });
    expect(await revoke(notaryId)).toMatchObject({ code: 0 });
    site.policy(
      `version: 1
authorities:
  - { name: late, keys: [keys/late.pub] }
policies:
  - name: late
    images: ["\${registry}/late/**"]
    mode: enforce
    push: allow
    tags: registry
    require:
      - signatures: { by: [late], formats: [cosign] }
`,
      'late',
    );
    const name = holding.at('late/app:1');
    const push = (): Promise<Digest | null> =>
      pushImage(service.url, 'late/app', buildImage(), '1').catch(() => null);
    await expect.poll(push, { timeout: 10_000 }).not.toBeNull();
    await holding.cli('sign', name, '--key', 'late', '--format', 'cosign');
    expect(await holding.cli('verify', name)).toMatchObject({
      code: 1,
      stdout: expect.stringContaining('key revoked'),
    });
    expect(await revoke(keyId, '--undo')).toMatchObject({ code: 0 });
    expect(await verdict('late/app:1')).toBe(0);
  });

  it('warns of a key that no policy names', async () => {
    const key = ['--key', 'a'.repeat(64), '--server', holding.service.url];
    expect(await holding.cli('revoke', ...key)).toMatchObject({
      code: 0,
      // It may have signed for `@repository`, which names no key: that nothing depends on it is not known.
      stderr: expect.stringMatching(
        /^warning: no policy of \S+ names key a{64}, so that it counted for @repository alone/m,
      ),
    });
    const named = join(holding.site.policies, 'keys', 'release-bot.pub');
    for (const flags of [
      ['--key', named],
      ['--key', named, '--undo'],
      [...key.slice(0, 2), '--undo'],
    ]) {
      const ran = await holding.cli('revoke', ...flags, '--server', holding.service.url);
      expect(ran).toMatchObject({ code: 0, stderr: expect.not.stringContaining('warning') });
    }
  });

  it('warns of a tag that is not there, and of giving back what was not revoked', async () => {
    const slip = holding.at('team/app:l');
    const revoked = await holding.cli('revoke', slip);
    expect(revoked).toMatchObject({
      code: 0,
      stderr: expect.stringMatching(/^warning: .* no tag l now/m),
    });
    const back = await holding.cli('revoke', slip, '--undo');
    expect(back).toMatchObject({ code: 0, stderr: expect.not.stringContaining('warning') });
    const again = await holding.cli('revoke', slip, '--undo');
    expect(again.stderr).toContain(`warning: ${slip} was not revoked before`);
    // What is there is revoked without a doubt, and named by its record in the log of trust.
    const good = await holding.cli('revoke', holding.at('team/app:1'));
    expect(good.stderr).toMatch(/^\S+\/team\/app:1 is revoked, record sig\/\d+\n$/);
    expect(await holding.cli('revoke', holding.at('team/app:1'), '--undo')).toMatchObject({
      code: 0,
    });
  });

  it.each([
    ['nothing', [], 'an image'],
    ['a whole repository', ['x.example/team/app'], 'a tag or a digest'],
    ['a tag and a digest', [`x.example/a:1@sha256:${'a'.repeat(64)}`], 'either a tag or a digest'],
    ['a key without a server', ['--key', 'a'.repeat(64)], '--server'],
    [
      'a key file that is not there',
      ['--key', '/none.pub', '--server', 'https://x.example'],
      '/none.pub',
    ],
  ])('refuses %s', async (_name, args, message) => {
    const ran = await holding.cli('revoke', ...args);
    expect(ran).toMatchObject({ code: 2, stderr: expect.stringContaining(message) });
  });

  it('could not where nobody answers', async () => {
    expect(await holding.cli('revoke', '127.0.0.1:1/team/app:1')).toMatchObject({ code: 3 });
  });
});
