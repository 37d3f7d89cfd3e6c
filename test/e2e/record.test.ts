import { cpSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Service, Site } from '../support/countersign.ts';
import { createSite, startService } from '../support/countersign.ts';
import { buildImage, pushImage, writeOciLayout } from '../support/image.ts';
import { oneSigner } from '../support/one-signer.ts';
import { suiteScope } from '../support/scope.ts';

const POLICY = oneSigner({ images: 'prod/**', name: 'production', push: 'reject' });

interface Page {
  readonly events: readonly {
    readonly sequence: number;
    readonly log: string;
    readonly index: number;
    readonly type: string;
    readonly actor: string;
    readonly tag: string | null;
    readonly data: Readonly<Record<string, unknown>>;
  }[];
  readonly next: number | null;
}

describe('the record of a running service', () => {
  const scope = suiteScope();
  const image = buildImage();
  let site: Site;
  let service: Service;
  let name: string;

  const cli = (...args: string[]): ReturnType<Site['cli']> => site.cli(args);
  async function history(...args: string[]): Promise<Page> {
    const ran = await cli('history', ...args, '--output', 'json');
    expect(ran.stderr).toBe('');
    expect(ran.code).toBe(0);
    return JSON.parse(ran.stdout) as Page;
  }
  const data = (): string => join(site.folder, 'service-data');
  const database = (): string => join(data(), 'countersign.db');

  beforeAll(async () => {
    site = createSite(scope.folder());
    await site.key('release-bot');
    site.policy(POLICY);
    service = scope.own(await startService(site));
    name = `${service.host}/prod/app`;
    const layout = join(site.folder, 'layout');
    writeOciLayout(layout, image, '1.0');
    const pushed = await cli('push', `oci:${layout}:1.0`, `${name}:1.0`, '--key', 'release-bot');
    if (pushed.code !== 0) throw new Error(`push: ${pushed.output}`);
  });

  it('has the signature, who may sign, and what was refused with its reason, under the number that the refusal names', async () => {
    await expect(
      pushImage(service.url, 'prod/app', buildImage({ config: { author: 'x' } }), 'evil'),
    ).rejects.toThrow(/record ([0-9]+)/);
    const refusals = await history(`${name}:evil`, '--type', 'deny');
    expect(refusals.events).toHaveLength(1);
    const [refused] = refusals.events;
    expect(refused).toMatchObject({
      log: 'dec',
      tag: 'evil',
      data: { action: 'push', code: 'NOT_TRUSTED' },
    });
    const byNumber = await history('--server', service.url, '--record', String(refused?.index));
    expect(byNumber.events).toEqual(refusals.events);
    // As the table writes it.
    const written = await history('--server', service.url, '--record', `dec/${refused?.index}`);
    expect(written.events).toEqual(refusals.events);
    const signatures = await history(name, '--type', 'signature');
    expect(signatures.events).toMatchObject([
      { log: 'sig', tag: '1.0', data: { authority: 'release-bot', format: 'cosign' } },
    ]);
    const all = await history('--server', service.host);
    expect(all.events.map((one) => one.type)).toEqual(
      expect.arrayContaining(['policy-loaded', 'key-registered', 'signature', 'allow', 'deny']),
    );
  });

  it('is shown to a person as a table, page by page', async () => {
    const ran = await cli('history', name, '--limit', '1');
    expect(ran.code).toBe(0);
    expect(ran.stdout.split('\n')[0]).toMatch(/^TIME +RECORD +WHAT +WHO +IMAGE +WHY$/);
    const before = /--before ([0-9]+)/.exec(ran.stderr)?.[1] ?? '';
    const { events } = await history(name, '--before', before, '--limit', '1');
    expect(events[0]?.sequence).toBeLessThan(Number(before));
  });

  it('refuses questions that it does not understand', async () => {
    expect((await cli('history')).code).toBe(2);
    expect((await cli('history', name, '--limit', '0')).code).toBe(2);
    expect((await cli('history', name, '--log', 'other')).code).toBe(2);
    const mistyped = await cli('history', name, '--type', 'signatures');
    expect([mistyped.code, mistyped.stderr]).toEqual([
      2,
      expect.stringContaining('did you mean signature?'),
    ]);
    expect((await cli('history', 'not an image')).code).toBe(2);
    for (const option of ['--before', '--record']) {
      expect(await cli('history', name, option, 'one')).toMatchObject({
        code: 2,
        stderr: expect.stringContaining(option),
      });
    }
    expect((await cli('history', name, '--record', 'sig/1', '--log', 'dec')).code).toBe(2);
  });

  it('keeps a service from starting on an old copy of the database, until that is recorded', async () => {
    await service.stop();
    const copy = join(site.folder, 'copy.db');
    cpSync(database(), copy);
    await service.start();
    const revoked = await fetch(`${service.url}/api/v1/revocations`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ image: `${name}:1.0`, reason: 'bad build' }),
    });
    expect([revoked.status, await revoked.text()]).toMatchObject([200, expect.anything()]);
    await service.stop();
    cpSync(copy, database());
    await expect(service.start()).rejects.toThrow(/countersign recover --data/);
    expect((await cli('recover', '--data', data(), '--reason', 'a test')).code).toBe(2);
    const recovered = await cli('recover', '--data', data(), '--reason', 'a test', '--yes');
    expect(recovered.output).toContain('recorded as sig/');
    expect(recovered.code).toBe(0);
    await service.start();
    const { events } = await history('--server', service.host, '--type', 'recovered');
    expect(events).toMatchObject([{ log: 'sig', data: { reason: 'a test' } }]);
    const again = await cli('recover', '--data', data(), '--reason', 'a test', '--yes');
    expect(again.output).toContain('in use by process');
    expect(again.code).toBe(3);
    expect(readFileSync(join(data(), 'high-water.json'), 'utf8')).toContain('"check"');
  });
});
