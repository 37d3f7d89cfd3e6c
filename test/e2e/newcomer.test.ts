import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Service, Site } from '../support/countersign.ts';
import { createSite, startService } from '../support/countersign.ts';
import { buildImage, writeOciLayout } from '../support/image.ts';
import { oneSigner } from '../support/one-signer.ts';
import { mustRun, run } from '../support/run.ts';
import { suiteScope } from '../support/scope.ts';

const ROOT = join(import.meta.dirname, '..', '..');

// What a newcomer does, in the order of the README's first screen, with nothing but the checkout.
describe('a newcomer', () => {
  it('sees the whole story with `npm run demo`', async () => {
    const shown = await run('npm', ['run', 'demo'], { cwd: ROOT, timeout: 60_000 });
    expect(shown).toMatchObject({ code: 0 });
    const story = [
      /refused .*not signed: policy \S+ needs \S+/,
      /accepted .* signed/,
      /accepted .* waits for a signature/,
      /accepted .* served/,
      /^The record/m,
      /countersign serve --upstream/,
    ];
    for (const line of story) expect(shown.output).toMatch(line);
  }, 90_000);

  it('finds the commands with `npx countersign --help`', async () => {
    const shown = await mustRun('npx', ['--no-install', 'countersign', '--help'], { cwd: ROOT });
    for (const command of ['serve', 'demo', 'key', 'push', 'sign', 'verify', 'revoke', 'history']) {
      expect(shown.stdout).toMatch(new RegExp(`^ +${command}\\b`, 'm'));
    }
  });

  describe('with a registry of their own', () => {
    const scope = suiteScope();
    let site: Site;
    let service: Service;

    beforeAll(async () => {
      site = createSite(join(scope.folder(), 'site'));
      await site.key('release-bot');
      site.policy(oneSigner({ images: '**', name: 'everything', push: 'hold' }));
      service = scope.own(await startService(site, {}));
    });

    it('pushes and signs in one step, and anybody can verify it', async () => {
      const layout = join(scope.folder(), 'layout');
      mkdirSync(layout);
      writeOciLayout(layout, buildImage(), '1.2');
      const name = `${service.host}/team/app:1.2`;
      expect(
        await site.cli(['push', `oci:${layout}:1.2`, name, '--key', 'release-bot']),
      ).toMatchObject({ code: 0 });
      expect(await site.cli(['verify', name])).toMatchObject({ code: 0 });
      const history = await site.cli(['history', name]);
      expect(history).toMatchObject({ code: 0, stdout: expect.stringMatching(/release-bot|sign/) });
    });

    it('is told what is missing when an image is not signed', async () => {
      const layout = join(scope.folder(), 'unsigned');
      mkdirSync(layout);
      writeOciLayout(layout, buildImage({ config: { author: 'nobody' } }), '1');
      const name = `${service.host}/team/other:1`;
      const pushed = await site.cli(['push', `oci:${layout}:1`, name], {
        env: { DOCKER_CONTENT_TRUST: '0' },
      });
      expect(pushed).toMatchObject({ code: 0 });
      expect(pushed.stderr).toMatch(/warning/);
      const verified = await site.cli(['verify', name]);
      expect(verified.code).toBe(1);
      expect(verified.output).toMatch(/held|not signed/);
    });

    it('gets a sentence and status 2 for a typing error', async () => {
      const typo = await site.cli(['sgin', 'x']);
      expect(typo.code).toBe(2);
      expect(typo.stderr).toMatch(/sign/);
    });
  });
});
