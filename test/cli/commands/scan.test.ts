import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Service, Site } from '../../support/countersign.ts';
import { createSite, startService } from '../../support/countersign.ts';
import { buildImage, buildIndex, pushImage } from '../../support/image.ts';
import type { RunningRegistry } from '../../support/registry.ts';
import { startRegistry } from '../../support/registry.ts';
import type { Ran } from '../../support/run.ts';
import { suiteScope } from '../../support/scope.ts';

const image = (note: string) => buildImage({ annotations: { note } });
const POLICY = (mode: string): string => `version: 1
authorities:
  - { name: release-bot, keys: [keys/release-bot.pub] }
policies:
  - name: team
    images: ["\${registry}/team/**"]
    mode: ${mode}
    tags: registry
    require: [{ signatures: { by: [release-bot], formats: [cosign] } }]
`;

interface Scanned {
  readonly images: readonly { image: string; digest: string; verdict: string }[];
  readonly counts: Readonly<Record<string, number>>;
  readonly problems: readonly { repository: string; error: { code: string } }[];
  readonly record: number | null;
}

describe('countersign scan', () => {
  const scope = suiteScope();
  let site: Site;
  let registry: RunningRegistry;
  let gate: Service;
  const [one, two, inside] = [image('one'), image('two'), image('inside')];
  const index = buildIndex([inside]);
  beforeAll(async () => {
    site = createSite(join(scope.folder(), 'site'));
    await site.key('release-bot');
    site.policy(POLICY('enforce'));
    registry = scope.own(await startRegistry(join(scope.folder(), 'registry')));
    await pushImage(registry.url, 'team/app', one, '1');
    await pushImage(registry.url, 'team/app', one, 'latest');
    await pushImage(registry.url, 'team/app', two, '2');
    await pushImage(registry.url, 'team/multi', index, 'all');
    await pushImage(registry.url, 'free/app', one, '1');
    gate = scope.own(await startService(site, { upstream: registry.url }));
    // What is signed before the first scan: one of the two digests of team/app.
    await site.cli(['sign', `${gate.host}/team/app@${one.digest}`, '--key', 'release-bot']);
  });
  const scan = (...args: readonly string[]): Promise<Ran> => site.cli(['scan', ...args]);
  const json = async (
    ...args: readonly string[]
  ): Promise<{ readonly code: number; readonly data: Scanned }> => {
    const { code, stdout } = await site.cli(['--output', 'json', 'scan', ...args]);
    return { code, data: JSON.parse(stdout) as Scanned };
  };
  const at = (name: string): string => `${gate.host}/${name}`;

  it('says what would be refused and why, of everything that the registry lists', async () => {
    const ran = await scan(gate.host);
    expect(ran.code).toBe(1);
    const { data } = await json(gate.host);
    expect(data.counts).toEqual({ allowed: 2, warned: 0, refused: 3, unknown: 0, gone: 0 });
    expect(data.images).toMatchObject([
      { image: at('free/app:1'), verdict: 'refused', policy: null, reason: { code: 'NO_POLICY' } },
      { image: at('team/app:2'), digest: two.digest, policy: 'team' },
      { image: at('team/multi:all'), digest: index.digest },
    ]);
  });
});
