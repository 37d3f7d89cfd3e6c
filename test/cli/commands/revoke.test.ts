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
