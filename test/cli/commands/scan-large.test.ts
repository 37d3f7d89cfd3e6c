import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { freePort, startChild, waitFor } from '../../support/child.ts';
import type { Service, Site } from '../../support/countersign.ts';
import { createSite, ENTRY, startService } from '../../support/countersign.ts';
import type { ManyTags } from '../../support/many-tags.ts';
import { startManyTags } from '../../support/many-tags.ts';
import { oneSigner } from '../../support/one-signer.ts';
import { suiteScope } from '../../support/scope.ts';
import { testSigner } from '../../support/signer.ts';

const REPOSITORIES = 40;
const TAGS = 250;
const DIGESTS = 12;
/** How many of the repositories the interrupted scans are of. */
const SOME = 6;

interface Scanned {
  readonly images: readonly { readonly image: string; readonly digest: string }[];
  readonly counts: Readonly<Record<string, number>>;
  readonly repositories: number;
}

describe('countersign scan of ten thousand tags', { timeout: 240_000 }, () => {
  const scope = suiteScope();
  let site: Site;
  let gate: Service;
  let many: ManyTags;
  let some: readonly string[];
  const state = (): string => join(site.folder, '.local', 'state', 'countersign');
  const journals = (): readonly string[] => {
    mkdirSync(state(), { recursive: true });
    return readdirSync(state()).filter((name) => !name.startsWith('.'));
  };
  const write = (mode: 'enforce' | 'warn'): void =>
    site.policy(oneSigner({ mode, authority: 'bot', key: 'bot.pub' }));
  const revision = async (): Promise<unknown> => {
    const body = (await (await fetch(`${gate.url}/readyz`)).json()) as {
      policies: { revision: string };
    };
    return body.policies.revision;
  };
  const setMode = async (mode: 'enforce' | 'warn'): Promise<void> => {
    const before = await revision();
    write(mode);
    await expect.poll(revision, { timeout: 20_000 }).not.toBe(before);
  };
  const scan = async (...args: readonly string[]) => {
    const ran = await site.cli(['--output', 'json', 'scan', ...args], {
      // Ten thousand images fit into a small heap.
      env: { NODE_OPTIONS: '--max-old-space-size=48' },
      timeout: 200_000,
    });
    const { images, counts, repositories } = JSON.parse(ran.stdout) as Scanned;
    return { code: ran.code, scanned: { images, counts, repositories } };
  };
  /** Starts a scan, ends it once so many lines are in its journal, and returns what it said. */
  const interrupted = async (how: 'kill' | 'interrupt', lines: number): Promise<string> => {
    const child = startChild(process.execPath, [ENTRY, 'scan', ...some], {
      env: site.env,
      cwd: site.folder,
    });
    const written = (): number => {
      const [file] = journals();
      return file === undefined
        ? 0
        : readFileSync(join(state(), file)).toString().split('\n').length;
    };
    await waitFor(child, 'scan', () => (written() > lines ? true : undefined), 120_000);
    await child[how]();
    return child.stderr();
  };

  beforeAll(async () => {
    site = createSite(join(scope.folder(), 'site'));
    const signer = testSigner();
    writeFileSync(join(site.policies, 'bot.pub'), signer.publicPem);
    write('enforce');
    const host = `127.0.0.1:${await freePort()}`;
    const shape = { repositories: REPOSITORIES, tags: TAGS, digests: DIGESTS };
    many = await startManyTags({ ...shape, host, signer });
    scope.own(many.server);
    gate = scope.own(await startService(site, { upstream: many.server.url, host }));
    some = many.repositories.slice(0, SOME).map((path) => `${host}/${path}`);
  });

  it('judges each tag, and reads the evidence of each image once', async () => {
    const { code, scanned } = await scan(gate.host);
    expect(code).toBe(1);
    expect(scanned.repositories).toBe(REPOSITORIES);
    // Every second image is signed.
    const refused = REPOSITORIES * Math.floor(TAGS / 2);
    const allowed = REPOSITORIES * TAGS - refused;
    expect(scanned.counts).toEqual({ allowed, warned: 0, refused, unknown: 0, gone: 0 });
    expect(scanned.images).toHaveLength(refused);
    expect(many.evidence()).toBe(REPOSITORIES * DIGESTS);
    expect(journals()).toEqual([]);
  });

  it('killed in the middle, goes on, and comes to the same result', async () => {
    const whole = (await scan(...some)).scanned;
    await interrupted('kill', 400);
    const before = many.server.seen.length;
    expect((await scan('--resume', ...some)).scanned).toEqual(whole);
    expect(journals()).toEqual([]);
    const asked = many.server.seen.slice(before).filter((one) => one.line.startsWith('HEAD'));
    expect(asked.length).toBeLessThan(SOME * TAGS - 300);
  });

  it('interrupted, says how to go on; policies that changed meanwhile judge all again', async () => {
    const { counts } = (await scan(...some)).scanned;
    const said = await interrupted('interrupt', 400);
    expect(said).toMatch(/interrupted after [0-9]+ of 1500 images; .*--resume goes on/);
    await setMode('warn');
    const resumed = (await scan('--resume', ...some)).scanned;
    expect(resumed.counts).toEqual({ ...counts, refused: 0, warned: counts['refused'] });
    await setMode('enforce');
  });

  it('counts the same when it is interrupted and when it goes on', async () => {
    const said = await interrupted('interrupt', 200);
    const after = /interrupted after ([0-9]+) of 1500/.exec(said)?.[1] ?? '';
    const resumed = await site.cli(['scan', '--resume', ...some]);
    expect(resumed.stderr).toContain(`going on: ${after} of 1500 were judged before`);
  });

  it('waits as a busy registry asks it to, and loses nothing', async () => {
    const whole = (await scan(...some)).scanned;
    let asked = 0;
    let busy = 0;
    many.fault = (request, response) => {
      if (!/manifests\/t[0-9]+$/.test(request.url ?? '') || ++asked % 100 !== 0) return false;
      busy++;
      response.writeHead(429, { 'retry-after': '1' }).end();
      return true;
    };
    const { scanned } = await scan(...some);
    many.fault = () => false;
    expect(busy).toBeGreaterThan(5);
    expect(scanned).toEqual(whole);
  });
});
