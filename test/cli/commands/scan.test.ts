import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { hashSync } from 'bcryptjs';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Service, Site } from '../../support/countersign.ts';
import { createSite, startService } from '../../support/countersign.ts';
import { buildImage, buildIndex, pushImage } from '../../support/image.ts';
import { oneSigner } from '../../support/one-signer.ts';
import type { RunningRegistry } from '../../support/registry.ts';
import { startRegistry } from '../../support/registry.ts';
import type { Ran } from '../../support/run.ts';
import { suiteScope } from '../../support/scope.ts';
import { answerError, startWireServer } from '../../support/wire-server.ts';

const image = (note: string) => buildImage({ annotations: { note } });
const POLICY = (mode: 'enforce' | 'warn'): string => oneSigner({ mode });

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

  it('leaves one event in the record, and no refusal', async () => {
    const before = await site.cli(['--output', 'json', 'history', '--server', gate.host]);
    const { data } = await json(at('team/app'), at('team/multi'));
    const port = gate.host.split(':')[1] ?? '';
    const after = await site.cli([
      '--output',
      'json',
      'history',
      '--server',
      gate.host,
      '--record',
      String(data.record),
    ]);
    const events = (ran: Ran) =>
      (JSON.parse(ran.stdout) as { events: { type: string; data: object; sequence: number }[] })
        .events;
    expect(events(after)).toMatchObject([
      {
        type: 'scan',
        data: {
          // Under the registry's canonical name.
          repositories: ['team/app', 'team/multi'].map((path) => `localhost:${port}/${path}`),
          counts: { allowed: 2, refused: 2 },
          complete: true,
        },
      },
    ]);
    expect(events(after)[0]?.sequence).toBe((events(before)[0]?.sequence ?? 0) + 1);
    const shown = await site.cli(['history', '--server', gate.host]);
    expect(shown.stdout).toContain('2 refused');
  });

  it('leaves out signatures and lists of referrers', async () => {
    await pushImage(registry.url, 'team/evidence', two, 'v1');
    const fallback = buildIndex([]);
    await pushImage(registry.url, 'team/evidence', fallback, two.digest.replace(':', '-'));
    const { data } = await json(at('team/evidence'));
    expect(data.images.map((found) => found.image)).toEqual([at('team/evidence:v1')]);
  });

  it('judges offline by policy files alone, where the registry shows them', async () => {
    const online = await json(gate.host);
    const here = ['--offline', '--policies', site.policies];
    // Round the gate: the names are those of the registry itself then, so the signatures are not for them.
    const direct = await json(...here, registry.host);
    expect(direct.data.counts).toMatchObject({
      allowed: 0,
      refused: online.data.images.length + 2,
    });
    const listed = await json(...here, at('team/app'));
    expect(listed.data).toMatchObject({
      // The gate does not show what it refuses, and so it could not be judged here.
      counts: { allowed: 2, refused: 0, unknown: 1 },
      images: [{ image: at('team/app:2'), verdict: 'unknown' }],
      record: null,
      unchecked: ['revocations'],
    });
    const ran = await scan(...here, at('team/app'));
    expect(ran).toMatchObject({ code: 3, stderr: expect.stringContaining('revocations') });
  });

  it('is content where nothing would be refused, and counts a warning as a refusal to come', async () => {
    await pushImage(registry.url, 'team/fine', one, '1');
    await site.cli(['sign', at(`team/fine@${one.digest}`), '--key', 'release-bot']);
    expect(await scan(at('team/fine'))).toMatchObject({
      code: 0,
      stdout: '1 image in 1 repository: 1 would be pulled, 0 would be refused\n',
    });
    const warning = createSite(join(scope.folder(), 'warning'));
    await warning.key('release-bot');
    warning.policy(POLICY('warn'));
    const soft = scope.own(await startService(warning, { upstream: registry.url }));
    const ran = await warning.cli(['scan', `${soft.host}/team/app`]);
    expect(ran.code).toBe(1);
    expect(ran.stdout).toContain('would be refused once their policy enforces: 3');
  });

  it('cannot find out: no such repository, nobody there, no Countersign', async () => {
    const ran = await json(at('team/app'), at('team/nothing'));
    expect(ran).toMatchObject({
      code: 1,
      data: { problems: [{ repository: at('team/nothing'), error: { code: 'NAME_UNKNOWN' } }] },
    });
    expect(await scan(at('team/nothing'))).toMatchObject({
      code: 3,
      stdout: expect.stringContaining('knows no such repository'),
    });
    expect(await scan(`${registry.host}/team/app`)).toMatchObject({
      code: 3,
      stderr: expect.stringContaining('is no Countersign'),
    });
    expect(await scan('127.0.0.1:1/team/app')).toMatchObject({ code: 3 });
  });

  it('is told by a registry that lists nothing, and says what to do', async () => {
    const closed = scope.own(
      await startWireServer((_request, response) => answerError(response, 404, 'X', 'none')),
    );
    expect(await scan(closed.host)).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('countersign scan HOST/NAME'),
    });
  });

  it('gives a registry that is down no ten thousand tries', async () => {
    let asked = 0;
    const tags = Array.from({ length: 500 }, (_, n) => `t${n}`);
    const broken = scope.own(
      await startWireServer((request, response) => {
        if (request.url?.includes('/tags/list') === true) response.end(JSON.stringify({ tags }));
        else {
          asked++;
          response.writeHead(200, { 'content-type': 'application/json' }).end('{"decision":1}');
        }
      }),
    );
    const ran = await scan(`${broken.host}/team/app`);
    expect(ran).toMatchObject({ code: 3, stderr: expect.stringContaining('gave up after 20') });
    expect(ran.stderr).toContain('--resume');
    expect(asked).toBeLessThan(150);
  });

  it('does not pass a list without any repository off as nothing to refuse', async () => {
    const empty = scope.own(
      await startWireServer((_request, response) => {
        response.end(JSON.stringify({ repositories: [] }));
      }),
    );
    expect(await scan(empty.host)).toMatchObject({
      code: 3,
      stderr: expect.stringContaining(`docker login ${empty.host}`),
    });
  });

  it('lists with its login where others read something without one', async () => {
    const users = join(scope.folder(), 'boss');
    writeFileSync(users, `boss:${hashSync('geheim', 4)}\n`);
    const half = createSite(join(scope.folder(), 'half'));
    await half.key('release-bot');
    half.policy(POLICY('enforce'));
    const service = scope.own(
      await startService(half, {
        config: (host) => `registries:
  - { host: "${host}", upstream: "${registry.url}" }
identities: { htpasswd: "${users}" }
access:
  - { repositories: ["\${registry}/nothing/**"], pull: [anonymous] }
  - { repositories: ["\${registry}/**"], pull: [boss], admin: [boss] }
`,
      }),
    );
    half.login(service.host, 'boss', 'geheim');
    expect(await half.cli(['scan', service.host])).toMatchObject({
      code: 1,
      stdout: expect.stringContaining('not signed: policy team needs release-bot'),
    });
  });

  it('without the right, says which one it needs', async () => {
    const users = join(scope.folder(), 'users');
    writeFileSync(users, `ci:${hashSync('geheim', 4)}\nboss:${hashSync('geheim', 4)}\n`);
    const closed = createSite(join(scope.folder(), 'closed'));
    await closed.key('release-bot');
    closed.policy(POLICY('enforce'));
    const service = scope.own(
      await startService(closed, {
        config: (host) => `registries:
  - { host: "${host}", upstream: "${registry.url}" }
identities: { htpasswd: "${users}" }
access:
  - { repositories: ["\${registry}/team/**"], pull: [ci, boss] }
  - { repositories: ["\${registry}/**"], admin: [boss] }
`,
      }),
    );
    closed.login(service.host, 'ci', 'geheim');
    expect(await closed.cli(['scan', `${service.host}/team/app`])).toMatchObject({
      code: 3,
      stdout: expect.stringContaining('that needs admin'),
    });
    expect(await closed.cli(['scan', service.host])).toMatchObject({
      code: 3,
      stdout: expect.stringContaining('that needs admin'),
    });
    closed.login(service.host, 'boss', 'geheim');
    const all = await closed.cli(['scan', service.host]);
    expect(all.stdout).toContain('may not pull in');
    expect(all.stdout).toContain('not signed: policy team needs release-bot');
  });

  it('refuses what makes no sense, before anything is asked', async () => {
    const there = join(scope.folder(), 'there');
    writeFileSync(there, 'my review\n');
    for (const [args, why] of [
      [[], 'HOST/NAME'],
      [['team/App'], 'REPOSITORY'],
      [[at('team/app:1')], 'countersign verify'],
      [[at(`team/app@${one.digest}`)], 'countersign verify'],
      [[gate.host, '--key', 'release-bot'], '--sign'],
      [[gate.host, '--force'], '--sign'],
      [[gate.host, '--sign', there], 'without a repository'],
      [['--sign', there, '--resume'], 'without --resume'],
      [[gate.host, '--policies', site.policies], '--offline'],
      [[gate.host, '--offline', '--server', gate.host], '--offline'],
      [[gate.host, '--write', there], 'found one'],
      [[gate.host, '--journal', there], 'journal of a scan'],
    ] as const) {
      const ran = await scan(...args);
      expect([args, ran.code]).toEqual([args, 2]);
      if (why !== 'REPOSITORY') expect(ran.stderr).toContain(why);
    }
    expect(readFileSync(there).toString()).toBe('my review\n');
  });

  it('scans all of --server where nothing else is named', async () => {
    const { data } = await json('--server', gate.url);
    expect(data.counts['refused']).toBeGreaterThanOrEqual(3);
  });
});
