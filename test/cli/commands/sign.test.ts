import { beforeAll, describe, expect, it } from 'vitest';
import type { Holding } from '../../support/holding.ts';
import { startHolding } from '../../support/holding.ts';
import { buildImage, buildIndex, pushImage } from '../../support/image.ts';
import { suiteScope } from '../../support/scope.ts';

const image = (note: string) => buildImage({ annotations: { note } });
const key = ['--key', 'release-bot'] as const;

describe('countersign sign', () => {
  const scope = suiteScope();
  let holding: Holding;
  beforeAll(async () => {
    holding = await startHolding(scope);
  });
  const push = (path: string, pushed = image(path), tag = '1') =>
    pushImage(holding.service.url, path, pushed, tag);
  const digestOf = async (path: string, tag = '1'): Promise<string | null> => {
    const answer = await fetch(`${holding.service.url}/v2/${path}/manifests/${tag}`, {
      headers: {
        accept:
          'application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json',
      },
    });
    return answer.status === 200 ? answer.headers.get('docker-content-digest') : null;
  };

  it('signs the one hold under a tag, which gives the tag', async () => {
    const digest = await push('team/one');
    expect(await digestOf('team/one')).toBeNull();
    const signed = await holding.cli('sign', holding.at('team/one:1'), ...key);
    expect(signed).toMatchObject({ code: 0, stdout: `${holding.at('team/one:1')}@${digest}\n` });
    expect(await digestOf('team/one')).toBe(digest);
    // Again: there is nothing to write, and the same answer.
    const again = await holding.cli('sign', holding.at('team/one:1'), ...key);
    expect(again).toMatchObject({ code: 0, stderr: expect.stringContaining('signed before') });
  });

  it('says in JSON what was signed, with which key', async () => {
    const digest = await push('team/json');
    const { code, data } = await holding.json(
      'sign',
      holding.at('team/json:1'),
      ...key,
      '-a',
      'build=7',
    );
    expect(code).toBe(0);
    expect(data).toEqual({
      images: [
        {
          image: `${holding.at('team/json:1')}@${digest}`,
          tag: '1',
          digest,
          key: expect.stringMatching(/^[0-9a-f]{64}$/),
          signed: [{ digest, format: 'cosign', written: true }],
          held: null,
          denied: null,
        },
      ],
    });
  });

  it('says that the image is held all the same where the key is none that is asked for', async () => {
    const digest = await push('team/intern');
    const name = holding.at('team/intern:1');
    const signed = await holding.cli('sign', name, '--key', 'intern');
    expect(signed).toMatchObject({ code: 0, stdout: `${name}@${digest}\n` });
    expect(signed.stderr).toMatch(
      /^warning: \S+ signed \(cosign\), but still held: .* policy team needs release-bot; found /m,
    );
    expect(await holding.json('sign', name, '--key', 'intern')).toMatchObject({
      code: 0,
      data: { images: [{ held: expect.stringContaining('needs release-bot'), denied: null }] },
    });
    expect(await holding.cli('sign', name, ...key)).toMatchObject({
      code: 0,
      stderr: expect.not.stringContaining('held'),
    });
  });

  it('is one where its part is done and others are missing, who are named', async () => {
    const { site } = holding;
    site.policy(
      `version: 1
authorities:
  - { name: intern, keys: [keys/intern.pub] }
policies:
  - name: both
    images: ["\${registry}/both/**"]
    mode: enforce
    push: hold
    tags: registry
    require:
      - signatures: { by: [release-bot, intern], atLeast: 2, formats: [cosign] }
`,
      'both',
    );
    // The policy is in force once the push is held and no longer refused.
    await expect.poll(() => push('both/app').catch(() => null)).not.toBeNull();
    const name = holding.at('both/app:1');
    const first = await holding.cli('sign', name, '--key', 'intern');
    expect(first).toMatchObject({ code: 0 });
    expect(first.stderr).toMatch(/its part is done, and others are missing\nstill held: .*needs /);
    expect(await holding.cli('sign', name, ...key)).toMatchObject({
      code: 0,
      stderr: expect.not.stringContaining('still'),
    });
  });

  it('warns where what it signs is revoked: no signature mends that', async () => {
    await push('team/revoked');
    const name = holding.at('team/revoked:1');
    await holding.cli('sign', name, ...key);
    await holding.cli('revoke', name, '--reason', 'leaked credentials');
    const signed = await holding.cli('sign', name, ...key);
    expect(signed).toMatchObject({ code: 0 });
    expect(signed.stderr).toMatch(
      /^warning: .*but still denied: .*revoked.*leaked credentials.*revoke --undo/m,
    );
    await holding.cli('revoke', name, '--undo');
    expect(await holding.cli('sign', name, ...key)).toMatchObject({ code: 0 });
  });

  it('refuses a bare tag where a hold and the registry differ, and names both digests', async () => {
    const old = await push('team/moved');
    await holding.cli('sign', holding.at('team/moved:1'), ...key);
    const next = await push('team/moved', image('next'));
    const refused = await holding.cli('sign', holding.at('team/moved:1'), ...key);
    expect(refused.code).toBe(2);
    const name = holding.at('team/moved:1');
    expect(refused.stderr).toContain(`countersign sign ${name}@${old}   # in the registry`);
    expect(refused.stderr).toMatch(
      new RegExp(`countersign sign ${name}@${next}   # held, pushed by \\S+ at \\d`),
    );
    expect(await digestOf('team/moved')).toBe(old);
    expect(await holding.cli('sign', `${name}@${next}`, ...key)).toMatchObject({ code: 0 });
    expect(await digestOf('team/moved')).toBe(next);
  });

  it('refuses a bare tag where several holds wait', async () => {
    const digests = [await push('team/two', image('a')), await push('team/two', image('b'))];
    const refused = await holding.cli('sign', holding.at('team/two:1'), ...key);
    expect(refused.code).toBe(2);
    for (const digest of digests) expect(refused.stderr).toContain(digest);
    expect(await digestOf('team/two')).toBeNull();
  });

  it('signs a held index with all that it contains', async () => {
    const children = [image('amd64'), image('arm64')];
    const index = buildIndex(children);
    await push('team/index', index);
    const { code, data } = await holding.json('sign', holding.at('team/index:1'), ...key);
    expect(code).toBe(0);
    const signed = [...children, index].map(({ digest }) => ({
      digest,
      format: 'cosign',
      written: true,
    }));
    expect(data).toMatchObject({ images: [{ signed: expect.arrayContaining(signed) }] });
    for (const child of children) {
      expect(await digestOf('team/index', child.digest)).toBe(child.digest);
    }
  });

  it('signs only the index itself when told so', async () => {
    const index = buildIndex([image('only child')]);
    await push('team/alone', index);
    const { data } = await holding.json(
      'sign',
      holding.at('team/alone:1'),
      ...key,
      '--no-recursive',
    );
    expect(data).toMatchObject({ images: [{ signed: [{ digest: index.digest }] }] });
  });

  it('signs again when told so', async () => {
    await push('team/renewed');
    await holding.cli('sign', holding.at('team/renewed:1'), ...key);
    const { data } = await holding.json('sign', holding.at('team/renewed:1'), ...key, '--renew');
    expect(data).toMatchObject({ images: [{ signed: [{ written: true }] }] });
  });

  it.each([
    ['no image', ['sign'], 2, 'missing required argument'],
    ['an image that is none', ['sign', 'UPPER CASE'], 2, 'HOST/NAME:TAG'],
    ['an annotation without a value', ['sign', 'x.example/a:1', '-a', 'broken'], 2, 'NAME=VALUE'],
    ['an unknown format', ['sign', 'x.example/a:1', '--format', 'pgp'], 2, 'cosign'],
  ])('refuses %s', async (_name, args, code, message) => {
    const ran = await holding.cli(...args);
    expect(ran.code).toBe(code);
    expect(ran.stderr).toContain(message);
  });

  it('refuses what is neither in the registry nor held, an unknown key, and a choice of keys', async () => {
    const gone = await holding.cli('sign', holding.at('team/nothing:1'), ...key);
    expect(gone).toMatchObject({ code: 1, stderr: expect.stringContaining('push it first') });
    const nowhere = `${holding.at('team/nothing')}@sha256:${'0'.repeat(64)}`;
    const missing = await holding.cli('sign', nowhere, '--key', 'release-bot');
    expect(missing).toMatchObject({ code: 1, stderr: expect.stringMatching(/; push it first$/m) });
    await push('team/keys');
    const name = holding.at('team/keys:1');
    expect(await holding.cli('sign', name, '--key', 'nobody')).toMatchObject({ code: 2 });
    const several = await holding.cli('sign', name);
    expect(several.code).toBe(2);
    expect(several.stderr).toContain('release-bot');
    expect(await digestOf('team/keys')).toBeNull();
  });

  it('cannot find out where nobody answers', async () => {
    const ran = await holding.cli('sign', '127.0.0.1:1/team/app:1', ...key);
    expect(ran.code).toBe(3);
  });
});
