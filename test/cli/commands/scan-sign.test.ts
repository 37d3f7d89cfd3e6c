import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { hashSync } from 'bcryptjs';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Digest } from '../../../src/oci/digest.ts';
import type { Service, Site } from '../../support/countersign.ts';
import { createSite, startService } from '../../support/countersign.ts';
import { buildImage, buildIndex, pushImage } from '../../support/image.ts';
import { oneSigner } from '../../support/one-signer.ts';
import type { RunningRegistry } from '../../support/registry.ts';
import { startRegistry } from '../../support/registry.ts';
import type { Ran } from '../../support/run.ts';
import { suiteScope } from '../../support/scope.ts';

const image = (note: string) => buildImage({ annotations: { note } });
const NOBODY = `sha256:${'0'.repeat(64)}`;

interface Line {
  readonly image: string;
  readonly refused: string | null;
  readonly status: string;
  readonly now: string | null;
}

describe('countersign scan --sign', () => {
  const scope = suiteScope();
  let site: Site;
  let registry: RunningRegistry;
  let gate: Service;
  beforeAll(async () => {
    site = createSite(join(scope.folder(), 'site'));
    await site.key('release-bot');
    site.policy(oneSigner());
    registry = scope.own(await startRegistry(join(scope.folder(), 'registry')));
    gate = scope.own(await startService(site, { upstream: registry.url }));
  });
  let files = 0;
  const fresh = (): string => join(site.folder, `review-${++files}.txt`);
  const push = (path: string, pushed = image(path), tag = '1'): Promise<Digest> =>
    pushImage(registry.url, path, pushed, tag);
  const at = (name: string): string => `${gate.host}/${name}`;
  const sign = (file: string, ...more: readonly string[]): Promise<Ran> =>
    site.cli(['--output', 'json', 'scan', '--sign', file, '--key', 'release-bot', ...more]);
  const linesOf = (ran: Ran): readonly Line[] =>
    (JSON.parse(ran.stdout) as { images: readonly Line[] }).images;
  const review = (...lines: readonly string[]): string => {
    const file = fresh();
    writeFileSync(file, lines.join('\n'));
    return file;
  };
  const pulls = async (name: string): Promise<boolean> =>
    (await site.cli(['verify', at(name)])).code === 0;

  it('signs what a person left in the list that a scan wrote, and lets the gate serve it', async () => {
    const [child, leaf] = [image('child'), image('leaf')];
    const multi = buildIndex([child]);
    await push('team/a', leaf, '1');
    await push('team/a', image('unwanted'), '2');
    await push('team/a', multi, 'multi');
    await push('free/a');
    const file = fresh();
    const scanned = await site.cli(['scan', gate.host, '--write', file]);
    expect(scanned).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('3 images to review'),
    });
    const text = readFileSync(file).toString();
    expect(text).toContain(`${at('team/a:1')}@${leaf.digest}  # not signed: policy team needs`);
    expect(text).toMatch(/^# no signature mends \S+\/free\/a:1: denied: no policy governs it/m);
    writeFileSync(file, text.replace(/^.*team\/a:2@.*\n/m, ''));
    const ran = await sign(file);
    expect(ran.code).toBe(0);
    expect(linesOf(ran).map((line) => line.status)).toEqual(['signed', 'signed']);
    expect(await pulls('team/a:1')).toBe(true);
    expect(await pulls('team/a:multi')).toBe(true);
    expect(await pulls(`team/a@${child.digest}`)).toBe(true);
    expect(await pulls('team/a:2')).toBe(false);
    // Clients that look at the child alone find its signature too.
    const tag = `${child.digest.replace(':', '-')}.sig`;
    expect((await fetch(`${registry.url}/v2/team/a/manifests/${tag}`)).status).toBe(200);
    // The same again: nothing is left to do, and nothing was recorded as a refusal.
    expect(linesOf(await sign(file)).map((line) => line.status)).toEqual([
      'signed-before',
      'signed-before',
    ]);
    const text2 = await site.cli(['scan', '--sign', file, '--key', 'release-bot']);
    expect(text2).toMatchObject({ code: 0, stdout: '0 signed, 2 signed before\n' });
  });

  it('signs nothing where a line is no image, and names each such line', async () => {
    const digest = await push('team/whole');
    const file = review(
      '# a comment',
      `${at('team/whole:1')}@${digest}`,
      '',
      at('team/whole:1'),
      `  ${at('team/whole')}@sha256:abc  # cut`,
      'Team/App@' + NOBODY,
      `${at('team/whole:1')}@${digest} ${at('team/whole:1')}@${digest}`,
    );
    const ran = await sign(file);
    expect(ran.code).toBe(2);
    for (const line of [4, 5, 6, 7]) expect(ran.stderr).toContain(`line ${line}: `);
    expect(ran.stderr).toContain('nothing was signed');
    expect(await pulls('team/whole:1')).toBe(false);
    writeFileSync(file, Buffer.of(0xff, 0xfe, 0x0a));
    expect(await sign(file)).toMatchObject({ code: 2 });
    expect(await sign(join(site.folder, 'nowhere'))).toMatchObject({ code: 2 });
    const nothing = await sign(review('# all deleted'));
    expect(nothing).toMatchObject({ code: 0 });
    expect(linesOf(nothing)).toEqual([]);
  });

  it('signs no digest that its tag has left, unless forced, and never what the tag is now', async () => {
    const old = await push('team/moved');
    const file = review(`${at('team/moved:1')}@${old}`);
    const next = await push('team/moved', image('next'));
    const skipped = await sign(file);
    expect(skipped.code).toBe(1);
    expect(linesOf(skipped)).toMatchObject([{ status: 'moved', now: next }]);
    expect(await pulls(`team/moved@${old}`)).toBe(false);
    const said = await site.cli(['scan', '--sign', file, '--key', 'release-bot']);
    expect(said.stdout).toContain(`the tag names ${next} now`);
    const forced = await sign(file, '--force');
    expect(forced.code).toBe(0);
    expect(await pulls(`team/moved@${old}`)).toBe(true);
    expect(await pulls('team/moved:1')).toBe(false);
    const gone = await sign(review(`${at('team/moved:2')}@${old}`));
    expect(gone.code).toBe(1);
    expect(linesOf(gone)).toMatchObject([{ status: 'gone' }]);
  });

  it('goes on after single failures and tells them at the end', async () => {
    const digest = await push('team/some');
    const file = review(
      `${at('team/some')}@${NOBODY}`,
      `${at('team/some:1')}@${digest}`,
      `127.0.0.1:1/team/some@${digest}`,
    );
    const ran = await sign(file);
    expect(linesOf(ran).map((line) => line.status)).toEqual(['failed', 'signed', 'failed']);
    expect(ran.code).toBe(3);
    expect(await pulls('team/some:1')).toBe(true);
  });

  it('signs at the registry itself as well', async () => {
    const digest = await push('team/direct');
    const name = `${registry.host}/team/direct`;
    const ran = await sign(review(`${name}:1@${digest}`, `${name}@${digest}`));
    expect(linesOf(ran).map((line) => line.status)).toEqual(['signed', 'signed']);
    const moved = await sign(review(`${name}:1@${NOBODY}`));
    expect(linesOf(moved)).toMatchObject([{ status: 'moved', now: digest }]);
  });

  it('names the repository instead of each tag where one image has very many', async () => {
    const digest = await push('team/many');
    const tags = Array.from({ length: 20 }, (_, n) => `v${n}`);
    for (const tag of tags) await push('team/many', image('team/many'), tag);
    const ran = await sign(review(...tags.map((tag) => `${at(`team/many:${tag}`)}@${digest}`)));
    expect(ran.code).toBe(0);
    const statuses = linesOf(ran).map((line) => line.status);
    expect(statuses.filter((status) => status === 'signed')).toHaveLength(1);
    expect(await pulls('team/many:v7')).toBe(true);
    const stored = await fetch(
      `${registry.url}/v2/team/many/manifests/${digest.replace(':', '-')}.sig`,
    );
    expect(((await stored.json()) as { layers: unknown[] }).layers).toHaveLength(1);
  });

  it('needs no more than the rights to pull and push', async () => {
    const users = join(scope.folder(), 'users');
    writeFileSync(users, `ci:${hashSync('geheim', 4)}\n`);
    const service = scope.own(
      await startService(site, {
        name: 'closed',
        config: (host) => `registries:
  - { host: "${host}", upstream: "${registry.url}" }
identities: { htpasswd: "${users}" }
access:
  - { repositories: ["\${registry}/team/**"], pull: [ci], push: [ci] }
`,
      }),
    );
    const index = buildIndex([image('of an index')]);
    const digest = await push('team/ci', index);
    const leaf = await push('team/ci', image('a leaf'), '2');
    site.login(service.host, 'ci', 'geheim');
    const name = `${service.host}/team/ci`;
    const file = review(`${name}:1@${digest}`, `${name}:2@${digest}`, `${name}:3@${digest}`);
    const ran = await sign(file);
    expect(linesOf(ran)).toMatchObject([
      { status: 'signed' },
      { status: 'moved', now: leaf },
      { status: 'gone' },
    ]);
    expect(await site.cli(['verify', `${name}:1`])).toMatchObject({ code: 0 });
  });

  it('opens the key once, before anything is signed', async () => {
    const digest = await push('team/key');
    const file = review(`${at('team/key:1')}@${digest}`);
    const wrong = await site.cli(['scan', '--sign', file, '--key', 'release-bot'], {
      env: { DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE: 'not the passphrase' },
    });
    expect(wrong.code).toBe(1);
    expect(await site.cli(['scan', '--sign', file, '--key', 'nobody'])).toMatchObject({ code: 2 });
    expect(await pulls('team/key:1')).toBe(false);
  });
});

describe('countersign scan --sign under a policy that asks for signed tags', () => {
  const scope = suiteScope();
  let site: Site;
  let registry: RunningRegistry;
  let gate: Service;
  let at: (name: string) => string;
  beforeAll(async () => {
    site = createSite(join(scope.folder(), 'site'));
    await site.key('release-bot');
    await site.key('intern');
    site.policy(`version: 1
authorities:
  - { name: release-bot, keys: [keys/release-bot.pub] }
policies:
  - name: map
    images: ["\${registry}/**"]
    mode: enforce
    push: hold
    tags: signed
    require:
      - signatures: { by: [release-bot], formats: [dct] }
`);
    registry = scope.own(await startRegistry(join(scope.folder(), 'registry')));
    gate = scope.own(await startService(site, { upstream: registry.url }));
    // By the host's own name: under an alias there is no trust data.
    at = (name) => `localhost:${gate.host.split(':')[1]}/${name}`;
  });
  const push = (path: string, pushed = image(path), tag = '1'): Promise<Digest> =>
    pushImage(registry.url, path, pushed, tag);
  const listed = async (...lines: readonly string[]): Promise<string> => {
    const file = join(site.folder, `map-${Math.random()}.txt`);
    writeFileSync(file, lines.join('\n'));
    return Promise.resolve(file);
  };
  const sign = (file: string, ...more: readonly string[]): Promise<Ran> =>
    site.cli(['--output', 'json', 'scan', '--sign', file, ...more]);
  const linesOf = (ran: Ran): readonly Line[] =>
    (JSON.parse(ran.stdout) as { images: readonly Line[] }).images;
  const versionOf = async (path: string): Promise<number> => {
    const answer = await fetch(`${gate.url}/v2/${at(path)}/_trust/tuf/targets/release-bot.json`, {
      headers: { host: at('x').split('/')[0] ?? '' },
    });
    return ((await answer.json()) as { signed: { version: number } }).signed.version;
  };

  it('lets through what it said that a signature would: the tags of a repository in one publish', async () => {
    const index = buildIndex([image('amd64'), image('arm64')]);
    for (const tag of ['1', '2', '3']) await push('map/app', image(`app ${tag}`), tag);
    await push('map/app', index, 'multi');
    await push('map/other');
    const file = join(site.folder, 'review.txt');
    const scanned = await site.cli(['scan', at('map/app'), at('map/other'), '--write', file]);
    expect(scanned.stderr).toContain('5 images to review');
    const signed = await sign(file, '--key', 'release-bot');
    expect(signed.stderr).not.toContain('cannot be read yet');
    expect(signed.code).toBe(0);
    expect(linesOf(signed).map(({ status, refused }) => [status, refused])).toEqual(
      Array.from({ length: 5 }, () => ['signed', null]),
    );
    expect(await site.cli(['scan', at('map/app'), at('map/other')])).toMatchObject({ code: 0 });
    expect(await versionOf('map/app')).toBe(1);
    // The index's children have their signatures, too.
    const [child] = [image('amd64')];
    const tag = `${child.digest.replace(':', '-')}.sig`;
    expect((await fetch(`${registry.url}/v2/map/app/manifests/${tag}`)).status).toBe(200);
    // One root key serves both, whose passphrase was asked for once.
    const { stdout } = await site.cli(['--output', 'json', 'key', 'list']);
    const { keys } = JSON.parse(stdout) as { keys: { name: string }[] };
    expect(keys.filter(({ name }) => name === 'root')).toHaveLength(1);
    const again = await site.cli(['scan', '--sign', file, '--key', 'release-bot']);
    expect(again).toMatchObject({ code: 0, stdout: '0 signed, 5 signed before\n' });
    expect(await versionOf('map/app')).toBe(1);
  });

  it('dct alone, too; cosign alone is said to be refused all the same, and is no success', async () => {
    const digest = await push('map/alone');
    const file = await listed(`${at('map/alone:1')}@${digest}`);
    const cosign = await sign(file, '--key', 'release-bot', '--format', 'cosign');
    expect(cosign.code).toBe(1);
    expect(linesOf(cosign)).toMatchObject([
      { status: 'signed', refused: expect.stringContaining('needs release-bot') },
    ]);
    const text = await site.cli([
      'scan',
      '--sign',
      file,
      '--key',
      'release-bot',
      '--format',
      'cosign',
    ]);
    expect(text.stdout).toMatch(
      /^signed, but still refused: \S+\/map\/alone:1 .*\n0 signed, 1 signed before; 1 of them would be refused all the same$/m,
    );
    const dct = await sign(file, '--key', 'release-bot', '--format', 'dct');
    expect(dct.code).toBe(0);
    expect(linesOf(dct)).toMatchObject([{ status: 'signed', refused: null }]);
  });

  it('says of a list of digests that dct signs tags', async () => {
    const digest = await push('map/digests');
    const file = await listed(`${at('map/digests')}@${digest}`);
    const refused = await sign(file, '--key', 'release-bot', '--format', 'dct');
    expect(refused).toMatchObject({ code: 2 });
    expect(refused.stderr).toContain('nothing was signed: 1 of 1 lines name a digest and no tag');
    const warned = await sign(file, '--key', 'release-bot');
    expect(warned.code).toBe(1);
    expect(warned.stderr).toContain('not signed in dct: 1 of 1 lines name a digest and no tag');
    expect(linesOf(warned)).toMatchObject([{ refused: expect.stringContaining('release-bot') }]);
  });

  it('asks for the passphrases of all new keys before anything is signed', async () => {
    const digest = await push('map/short');
    const file = await listed(`${at('map/short:1')}@${digest}`);
    const ran = await site.cli(['scan', '--sign', file, '--key', 'release-bot'], {
      env: {
        DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE: 'a test passphrase',
        DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE: 'not the passphrase',
      },
    });
    expect(ran.code).not.toBe(0);
    expect(ran.stdout).toBe('');
    const tag = `${digest.replace(':', '-')}.sig`;
    expect((await fetch(`${registry.url}/v2/map/short/manifests/${tag}`)).status).toBe(404);
  });

  it('who is no signer of the repository signs in cosign, and is told why and what is left', async () => {
    const digest = await push('map/app', image('by an intern'), 'intern');
    const file = await listed(`${at('map/app:intern')}@${digest}`);
    const ran = await site.cli(['scan', '--sign', file, '--key', 'intern']);
    expect(ran.code).toBe(1);
    expect(ran.stderr).toMatch(/not signed in dct: .*intern is none of its signers/);
    expect(ran.stdout).toContain('signed, but still refused: ');
  });
});
