import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Holding } from '../../support/holding.ts';
import { startHolding } from '../../support/holding.ts';
import { buildImage, buildIndex, pushImage } from '../../support/image.ts';
import { suiteScope } from '../../support/scope.ts';

const image = (note: string) => buildImage({ annotations: { note } });
const key = ['--key', 'release-bot'] as const;

describe('countersign sign in dct', () => {
  const scope = suiteScope();
  let holding: Holding;
  beforeAll(async () => {
    holding = await startHolding(scope, { formats: ['dct', 'cosign'] });
  });
  /** By the host's own name: under an alias there is no trust data. */
  const at = (name: string): string => `localhost:${holding.service.host.split(':')[1]}/${name}`;
  const push = (path: string, pushed = image(path), tag = '1') =>
    pushImage(holding.service.url, path, pushed, tag);
  const status = async (path: string, reference = '1'): Promise<number> => {
    const accept =
      'application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json';
    const url = `${holding.service.url}/v2/${path}/manifests/${reference}`;
    return (await fetch(url, { headers: { accept } })).status;
  };
  const targets = async (path: string, role: string): Promise<unknown> => {
    const answer = await fetch(`${holding.service.url}/v2/${at(path)}/_trust/tuf/${role}.json`, {
      headers: { host: at('x').split('/')[0] ?? '' },
    });
    const file = (await answer.json()) as {
      signed: { targets: Record<string, { length: number }> };
    };
    return file.signed.targets;
  };

  it('signs both ways by default, and what stands is not written again', async () => {
    const digest = await push('team/both');
    const first = await holding.json('sign', at('team/both:1'), ...key);
    const signed = ['cosign', 'dct'].map((format) => ({ digest, format, written: true }));
    expect(first).toMatchObject({ code: 0, data: { images: [{ signed, held: null }] } });
    expect(await status('team/both')).toBe(200);
    const again = await holding.json('sign', at('team/both:1'), ...key);
    const stands = signed.map((one) => ({ ...one, written: false }));
    expect(again).toMatchObject({ code: 0, data: { images: [{ signed: stands }] } });
    const renewed = await holding.json('sign', at('team/both:1'), ...key, '--renew');
    expect(renewed).toMatchObject({ data: { images: [{ signed }] } });
  });

  it('dct alone releases what is held: the publish is the signature', async () => {
    const made = image('held for dct');
    await push('team/dct', made);
    expect(await status('team/dct')).not.toBe(200);
    const done = await holding.cli('sign', at('team/dct:1'), ...key, '--format', 'dct');
    expect(done).toMatchObject({ code: 0, stderr: expect.stringContaining('signed (dct)') });
    expect(await status('team/dct')).toBe(200);
    expect(await targets('team/dct', 'targets/release-bot')).toMatchObject({
      1: { length: made.manifest.length },
    });
  });

  it('of an index only itself is a target', async () => {
    const index = buildIndex([image('amd64'), image('arm64')]);
    await push('team/index', index);
    const { data } = await holding.json('sign', at('team/index:1'), ...key);
    const { signed } = (data as { images: { signed: { format: string; digest: string }[] }[] })
      .images[0] ?? {
      signed: [],
    };
    expect(signed.filter(({ format }) => format === 'cosign')).toHaveLength(3);
    expect(signed.filter(({ format }) => format === 'dct').map(({ digest }) => digest)).toEqual([
      index.digest,
    ]);
  });

  it.each([
    { how: 'dct alone', format: ['--format', 'dct'] },
    { how: 'both formats', format: [] },
  ])(
    'what is shown to nobody before it is trusted is signed with its true size, and only then shown: $how',
    async ({ format }) => {
      const path = `team/hidden-${format.length}`;
      const made = image(path);
      await pushImage(holding.service.url, path, made, made.digest);
      expect(await status(path, made.digest)).toBe(403);
      const name = `${at(`${path}:1`)}@${made.digest}`;
      const done = await holding.json('sign', name, ...key, ...format);
      const written = { digest: made.digest, written: true };
      const signed = format.length === 0 ? ['cosign', 'dct'] : ['dct'];
      expect(done).toMatchObject({
        code: 0,
        data: { images: [{ signed: signed.map((each) => ({ ...written, format: each })) }] },
      });
      expect(await targets(path, 'targets/release-bot')).toMatchObject({
        1: { length: made.manifest.length },
      });
      expect(await status(path, made.digest)).toBe(200);
    },
  );

  it('of a hidden index what it contains is signed once that can be read', async () => {
    const index = buildIndex([image('hidden amd64'), image('hidden arm64')]);
    await pushImage(holding.service.url, 'team/hidden-index', index, index.digest);
    const name = `${at('team/hidden-index:1')}@${index.digest}`;
    const { data } = await holding.json('sign', name, ...key);
    const { signed } = (data as { images: { signed: { format: string }[] }[] }).images[0] ?? {
      signed: [],
    };
    expect(signed.map(({ format }) => format).toSorted()).toEqual([
      'cosign',
      'cosign',
      'cosign',
      'dct',
    ]);
  });

  it('a digest without a tag is signed in cosign alone, and the reason is said', async () => {
    const digest = await push('team/digest');
    const name = `${at('team/digest')}@${digest}`;
    const done = await holding.cli('sign', name, ...key);
    expect(done.code).toBe(0);
    expect(done.stderr).toContain('not signed in dct: it signs tags, and none was named');
    expect(done.stderr).toContain('signed (cosign)');
    const refused = await holding.cli('sign', name, ...key, '--format', 'dct');
    expect(refused).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('cannot sign in dct'),
    });
  });

  it('without a passphrase for a root key nothing is begun, and cosign still signs', async () => {
    await push('team/no-root');
    const file = join(holding.site.folder, 'passphrase');
    writeFileSync(file, 'a test passphrase');
    const env = {
      DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE: undefined,
      DOCKER_CONFIG: join(holding.site.folder, 'ci'),
    };
    await holding.site.cli(['key', 'generate', 'ci', '--out', holding.site.folder], { env });
    const done = await holding.site.cli(['sign', at('team/no-root:1')], { env });
    expect(done.code).toBe(1);
    expect(done.stderr).toMatch(
      /warning: not signed in dct: .*DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE/,
    );
    const asked = await holding.site.cli(['sign', at('team/no-root:1'), '--format', 'dct'], {
      env,
    });
    expect(asked.code).toBe(2);
    const given = ['sign', at('team/no-root:1'), '--passphrase-file', file];
    expect(await holding.site.cli(given, { env })).toMatchObject({
      code: 0,
      stderr: expect.stringMatching(
        /made the root key [\s\S]*signed \(cosign, dct\), but still held/,
      ),
    });
  });

  it('a passphrase that is too short for a new key ends it before anything is signed', async () => {
    const digest = await push('team/short');
    const env = {
      DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE: 'short',
      DOCKER_CONFIG: join(holding.site.folder, 'short'),
    };
    const { folder } = holding.site;
    const made = await holding.site.cli(['key', 'generate', 'short', '--out', folder], { env });
    expect(made).toMatchObject({ code: 0 });
    const store = join(folder, 'short', 'trust', 'private');
    const before = readdirSync(store);
    const done = await holding.site.cli(['sign', at('team/short:1')], { env });
    expect(done).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(
        /has no trust data yet; its first signature begins them: that makes your root key[\s\S]*at least 8 characters for root key/,
      ),
    });
    // Neither a signature nor a key.
    expect(readdirSync(store)).toEqual(before);
    const tag = `${digest.replace(':', '-')}.sig`;
    expect(await status('team/short', tag)).toBe(404);
    // Of several images none is signed before all are asked for.
    await push('team/short-2');
    const two = ['sign', '--key', 'short', at('team/short:1'), at('team/short-2:1')];
    const later = { ...env, DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE: 'long enough' };
    expect(
      await holding.site.cli(two, {
        env: { ...later, DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE: 'a test passphrase' },
      }),
    ).toMatchObject({ stderr: expect.stringContaining('your root key opens for it') });
    const roots = (await holding.site.cli(['--output', 'json', 'key', 'list'], { env })).stdout;
    const { keys } = JSON.parse(roots) as { keys: { name: string }[] };
    expect(keys.filter(({ name }) => name === 'root')).toHaveLength(1);
  });

  it('is no success where the policy asks for dct and the tag was signed in cosign alone', async () => {
    const { site } = holding;
    site.policy(
      `version: 1
policies:
  - name: map
    images: ["\${registry}/map/**"]
    mode: enforce
    push: hold
    tags: signed
    require:
      - signatures: { by: [release-bot], formats: [dct] }
`,
      'map',
    );
    // The policy is in force once the push is held and no longer refused.
    await expect.poll(() => push('map/app').catch(() => null)).not.toBeNull();
    const digest = image('map/app').digest;
    const name = at('map/app:1');
    const digestOnly = await holding.cli('sign', `${at('map/app')}@${digest}`, ...key);
    expect(digestOnly).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(
        /signed \(cosign\), but still held: .* needs release-bot.*countersign sign --format dct \S+\/map\/app:TAG@sha256:/,
      ),
    });
    const cosign = await holding.cli('sign', name, ...key, '--format', 'cosign');
    // What somebody chose is done, and what is missing told.
    expect(cosign).toMatchObject({
      code: 0,
      stderr: expect.stringContaining(`countersign sign --format dct ${name}@${digest}`),
    });
    const signed = await holding.cli('sign', name, ...key);
    expect(signed).toMatchObject({ code: 0, stderr: expect.stringContaining('(cosign, dct)') });
    expect(signed.stderr).not.toContain('still');
  });

  it('revoke takes the entry out too, and says so', async () => {
    await push('team/revoked');
    await holding.cli('sign', at('team/revoked:1'), ...key);
    const { code, data } = await holding.json('revoke', at('team/revoked:1'), '--reason', 'test');
    expect(code).toBe(0);
    const roles = ['targets/release-bot', 'targets/releases'];
    expect(data).toMatchObject({
      revocations: [
        { dct: { removed: roles.map((role) => ({ role, tags: ['1'] })), remaining: [] } },
      ],
    });
    expect(await targets('team/revoked', 'targets/releases')).toEqual({});
    expect(await status('team/revoked')).toBe(403);
    // Given back, it is trusted by its other signature; the entry comes back by signing.
    await holding.cli('revoke', at('team/revoked:1'), '--undo');
    await holding.cli('sign', at('team/revoked:1'), ...key);
    expect(await targets('team/revoked', 'targets/releases')).toHaveProperty('1');
  });

  it('under another name of the host the own one is named, by every command that needs it', async () => {
    const alias = (name: string): string => holding.at(name);
    const own = at('team/alias');
    await push('team/alias');
    const use = `is another name of this registry, which keeps trust data under its own: use ${own}`;
    const both = await holding.cli('sign', alias('team/alias:1'), ...key);
    expect(both).toMatchObject({ code: 0, stderr: expect.stringContaining(`${use}:1`) });
    expect(both.stderr).toContain('signed (cosign)');
    const dct = await holding.cli('sign', alias('team/alias:1'), ...key, '--format', 'dct');
    expect(dct).toMatchObject({ code: 2, stderr: expect.stringContaining(`${use}:1`) });
    const shown = await holding.cli('inspect', alias('team/alias'));
    expect(shown).toMatchObject({ code: 0, stderr: expect.stringContaining(use) });
    const docker = await holding.cli('inspect', '--format', 'docker', alias('team/alias'));
    expect(docker.stderr).toContain(use);
    await push('team/alias', image('another'), '2');
    const verified = await holding.cli(
      'verify',
      `${alias('team/alias')}@${image('another').digest}`,
    );
    expect(verified).toMatchObject({ code: 1, stderr: expect.stringContaining(use) });
    const pub = join(holding.site.policies, 'keys', 'release-bot.pub');
    const added = await holding.cli('signer', 'add', 'bot', '--key', pub, alias('team/alias'));
    expect(added).toMatchObject({ stderr: expect.stringContaining(use) });
    // By its own name nobody is told anything of it.
    expect((await holding.cli('inspect', own)).stderr).not.toContain('another name');
  });

  it('the last signer is not removed unasked, and it is said what that would mean', async () => {
    await push('team/last');
    await holding.cli('sign', at('team/last:1'), ...key);
    const asked = await holding.cli('signer', 'remove', 'release-bot', at('team/last'));
    expect(asked).toMatchObject({ code: 2 });
    expect(asked.stderr).toMatch(
      /^error: \S+: not removed: what \S+ has released is signed by release-bot alone: without it nobody can pull from there until another signer signs; .*--force$/m,
    );
  });

  it('an unknown format is refused by name', async () => {
    const refused = await holding.cli('sign', at('team/x:1'), '--format', 'pgp');
    expect(refused).toMatchObject({ code: 2, stderr: expect.stringContaining('dct or cosign') });
  });
});
