import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { beforeAll, describe, expect, it } from 'vitest';
import { request } from 'undici';
import { MEDIA } from '../../src/oci/media-types.ts';
import { askEveryone, everyone } from '../support/agreement.ts';
import { freePort } from '../support/child.ts';
import type { Service, Site } from '../support/countersign.ts';
import { createSite, startService } from '../support/countersign.ts';
import { describeWithClients } from '../support/describe-with-clients.ts';
import type { DockerRegistry } from '../support/docker-registry.ts';
import { startDockerRegistry } from '../support/docker-registry.ts';
import { buildImage, buildIndex, pushBlob, pushImage } from '../support/image.ts';
import { call } from '../support/http-call.ts';
import { mapAt } from '../support/map-at.ts';
import { suiteScope } from '../support/scope.ts';
import { tarLayer } from '../support/tar.ts';

const image = (content: string) => buildImage({ layers: [tarLayer({ content })] });

const SIGNERS = ['alice', 'bob', 'mallory'] as const;
type Signer = (typeof SIGNERS)[number];

interface Case {
  readonly path: string;
  readonly signers: readonly Signer[];
  readonly expected: 'allow' | 'deny';
}

// Every mode, quorum and set of signers. What is expected is written down here a second time, in one
// line that knows nothing of the code it judges.
const GENERATED: readonly Case[] = ['enforce', 'warn', 'off'].flatMap((mode) =>
  [1, 2].flatMap((atLeast) =>
    [[], ['alice'], ['bob'], ['mallory'], ['alice', 'mallory'], ['alice', 'bob']].map(
      (names): Case => {
        const signers = SIGNERS.filter((name) => names.includes(name));
        const counted = signers.filter((name) => name !== 'mallory').length;
        return {
          path: `${mode}-${atLeast}/${signers.join('-') || 'nobody'}`,
          signers,
          expected: mode !== 'enforce' || counted >= atLeast ? 'allow' : 'deny',
        };
      },
    ),
  ),
);

const EXCEPTED = image('excepted\n');
const EXPIRED = image('no longer excepted\n');
const EXCEPTED_CHILD = image('child of an excepted index\n');
const EXCEPTED_INDEX = buildIndex([EXCEPTED_CHILD]);
const exception = (digest: string, year: number): string =>
  `{ digest: "${digest}", reason: r, approvedBy: alice, expires: ${year}-01-01 }`;

/** The policy file, for both names under which the same content is judged. */
function policies(gate: string, registry: string): string {
  const policy = (name: string, fields: readonly string[], atLeast = 1): string => `
  - name: ${name}
    images: ["${gate}/${name}/**", "${registry}/${name}/**"]
    signedAs: ["${gate}/${name}"]
    push: allow
    tags: registry
    require:
      - signatures: { by: [alice, bob], atLeast: ${atLeast}, formats: [cosign]${name === 'aged' ? ', maxAge: 1s' : ''} }
${fields.map((field) => `    ${field}\n`).join('')}`;
  const authorities = SIGNERS.map((name) => `  - { name: ${name}, keys: [keys/${name}.pub] }\n`);
  const modes = ['enforce', 'warn', 'off'].flatMap((mode) =>
    [1, 2].map((atLeast) => policy(`${mode}-${atLeast}`, [`mode: ${mode}`], atLeast)),
  );
  const exceptions = [
    exception(EXCEPTED.digest, 2999),
    exception(EXCEPTED_INDEX.digest, 2999),
    exception(EXPIRED.digest, 2020),
  ];
  return `version: 1
authorities:
${authorities.join('')}policies:
${modes.join('')}
${policy('plain', ['mode: enforce'])}
${policy('bound', ['mode: enforce', 'bindTag: true'])}
${policy('aged', ['mode: enforce'])}
${policy('floored', ['mode: enforce', 'floor: true'])}
  - name: lax
    images: ["${gate}/floored/lax/**", "${registry}/floored/lax/**"]
    mode: off
  - name: mapped
    images: ["${gate}/mapped/**"]
    push: hold
    tags: signed
    require:
      - signatures: { by: ["@repository"], formats: [dct] }
${policy('excepted', ['mode: enforce', `exceptions: [${exceptions.join(', ')}]`])}
`;
}

describeWithClients('gate, decision API and command line agree', ['docker-registry'], () => {
  const scope = suiteScope();
  let site: Site;
  let gate: Service;
  let registry: DockerRegistry;
  const ask = async (path: string, reference: string) =>
    (await askEveryone(site, gate, registry.host, [{ path, reference }]))[0];
  const push = (path: string, pushed = image(`${path}\n`), tag = '1') =>
    pushImage(registry.url, path, pushed, tag);
  const must = async (args: readonly string[]): Promise<void> => {
    expect(await site.cli(args)).toMatchObject({ code: 0 });
  };
  const sign = (signer: Signer, ...names: readonly string[]): Promise<void> =>
    must(['sign', ...names.map((name) => `${gate.host}/${name}`), '--key', signer]);

  beforeAll(async () => {
    registry = scope.own(await startDockerRegistry(join(scope.folder(), 'registry')));
    site = createSite(join(scope.folder(), 'site'));
    for (const signer of SIGNERS) await site.key(signer);
    const host = `127.0.0.1:${await freePort()}`;
    site.policy(policies(host, registry.host));
    gate = scope.own(
      await startService(site, {
        host,
        config: () => `registries: [{ host: "${host}", upstream: "${registry.url}" }]\n`,
      }),
    );
    for (const { path } of GENERATED) await push(path);
    for (const signer of SIGNERS) {
      const mine = GENERATED.filter((one) => one.signers.includes(signer));
      await sign(signer, ...mine.map((one) => `${one.path}:1`));
    }
  });

  it('on every mode, quorum and set of signers, by tag and by digest', async () => {
    const asked = GENERATED.flatMap(({ path, expected }) =>
      [':1', `@${image(`${path}\n`).digest}`].map((reference) => ({ path, reference, expected })),
    );
    const answers = await askEveryone(site, gate, registry.host, asked);
    const told = asked.map((question, n) => ({ question, answer: answers[n] }));
    const expected = asked.map((question) => ({ question, answer: everyone(question.expected) }));
    expect(told).toEqual(expected);
    expect(new Set(asked.map((question) => question.expected)).size).toBe(2);
  });

  it('on a repository that no policy names: deny', async () => {
    await push('nowhere/app');
    expect(await ask('nowhere/app', ':1')).toEqual(everyone('deny'));
  });

  it('on exceptions: allow before they expire, deny after', async () => {
    await push('excepted/now', EXCEPTED);
    await push('excepted/then', EXPIRED);
    expect(await ask('excepted/now', ':1')).toEqual(everyone('allow'));
    expect(await ask('excepted/then', ':1')).toEqual(everyone('deny'));
  });

  it('on children: as their index, in its own repository only', async () => {
    await push('excepted/index', EXCEPTED_INDEX);
    await push('excepted/elsewhere', EXCEPTED_CHILD);
    expect(await ask('excepted/index', ':1')).toEqual(everyone('allow'));
    const child = `@${EXCEPTED_CHILD.digest}`;
    expect(await ask('excepted/index', child)).toEqual(everyone('allow'));
    expect(await ask('excepted/elsewhere', child)).toEqual(everyone('deny'));
    await push('plain/unsigned-index', buildIndex([image('its child\n')]));
    expect(await ask('plain/unsigned-index', `@${image('its child\n').digest}`)).toEqual(
      everyone('deny'),
    );
  });

  it("on another repository's signature: deny", async () => {
    const same = image('the same image\n');
    await push('plain/original', same);
    await push('plain/copy', same);
    await sign('alice', 'plain/original:1');
    const tag = `${same.digest.replace(':', '-')}.sig`;
    await copyArtifact(registry.url, 'plain/original', 'plain/copy', tag);
    expect(await ask('plain/original', ':1')).toEqual(everyone('allow'));
    expect(await ask('plain/copy', ':1')).toEqual(everyone('deny'));
  });

  it('on a tag that the signature does not name, where policy binds it: deny', async () => {
    await push('bound/app');
    await push('bound/app', image('bound/app\n'), '2');
    await sign('alice', 'bound/app:1');
    expect(await ask('bound/app', ':1')).toEqual(everyone('allow'));
    expect(await ask('bound/app', ':2')).toEqual(everyone('deny'));
  });

  it('on a signature that is older than policy allows: deny', async () => {
    await push('aged/app');
    await sign('alice', 'aged/app:1');
    await sleep(2_100);
    expect(await ask('aged/app', ':1')).toEqual(everyone('deny'));
  });

  it('on a floor under a narrower policy that looks away: the floor decides', async () => {
    await push('floored/lax/app');
    expect(await ask('floored/lax/app', ':1')).toEqual(everyone('deny'));
    await sign('bob', 'floored/lax/app:1');
    expect(await ask('floored/lax/app', ':1')).toEqual(everyone('allow'));
  });

  it('on a tag whose image changed: as the image that it means now', async () => {
    await push('plain/moved');
    await sign('alice', 'plain/moved:1');
    expect(await ask('plain/moved', ':1')).toEqual(everyone('allow'));
    await push('plain/moved', image('something else\n'));
    // The gate may remember what a tag means for a second.
    await sleep(1_100);
    expect(await ask('plain/moved', ':1')).toEqual(everyone('deny'));
  });

  it('on the signed map: what is signed, whatever the registry has under the tag by now', async () => {
    const good = image('mapped/app\n');
    const evil = image('something else\n');
    await push('mapped/app', good);
    await push('mapped/app', good, 'other');
    const { host, url } = gate;
    const map = await mapAt(
      { host, url, call: (method, target, options) => call(url, method, target, options) },
      'mapped/app',
    );
    expect((await map.publish({ targets: { 1: good.digest } })).status).toBe(200);
    await push('mapped/app', evil);
    await sleep(1_100);
    const references = [':1', `@${good.digest}`, ':other', `@${evil.digest}`];
    // The names that are signed are the gate's, so offline they are asked for there too; what the gate
    // refuses it does not show, so that there is nothing to judge.
    const answers = await askEveryone(
      site,
      gate,
      gate.host,
      references.map((reference) => ({ path: 'mapped/app', reference })),
    );
    const refused = {
      ...everyone('deny'),
      verifyOffline: expect.stringMatching(/^(?:deny|error: .*not signed)/) as string,
    };
    expect(answers).toEqual([everyone('allow'), everyone('allow'), refused, refused]);
  });

  describe('on what was revoked', () => {
    // Revocations are the service's own record: offline cannot know them, and says so.
    const denied = { ...everyone('deny'), verifyOffline: 'allow' };

    it('a digest: deny by every name', async () => {
      await push('plain/revoked');
      await sign('alice', 'plain/revoked:1');
      const digest = `@${image('plain/revoked\n').digest}`;
      expect(await ask('plain/revoked', ':1')).toEqual(everyone('allow'));
      await must(['revoke', `${gate.host}/plain/revoked${digest}`]);
      expect(await ask('plain/revoked', ':1')).toEqual(denied);
      expect(await ask('plain/revoked', digest)).toEqual(denied);
      await must(['revoke', '--undo', `${gate.host}/plain/revoked${digest}`]);
      expect(await ask('plain/revoked', ':1')).toEqual(everyone('allow'));
    });

    it('offline says what it could not check', async () => {
      const name = `${registry.host}/plain/revoked:1`;
      const ran = await site.cli(['verify', '--offline', '--policies', site.policies, name]);
      expect(ran.code).toBe(0);
      expect(ran.output).toMatch(/revo/);
    });
  });
});

/** Copies a signature artifact between repositories, as somebody who wants to pass one off would. */
async function copyArtifact(url: string, from: string, to: string, tag: string): Promise<void> {
  const read = async (path: string): Promise<Buffer> => {
    const answer = await request(`${url}/v2/${from}/${path}`, {
      headers: { accept: MEDIA.ociManifest },
    });
    const bytes = Buffer.from(await answer.body.arrayBuffer());
    if (answer.statusCode !== 200) throw new Error(`GET ${path} answered ${answer.statusCode}`);
    return bytes;
  };
  const manifest = await read(`manifests/${tag}`);
  const parsed = JSON.parse(manifest.toString()) as {
    readonly config: { readonly digest: string };
    readonly layers: readonly { readonly digest: string }[];
  };
  for (const { digest } of [parsed.config, ...parsed.layers]) {
    await pushBlob(url, to, await read(`blobs/${digest}`));
  }
  const put = await request(`${url}/v2/${to}/manifests/${tag}`, {
    method: 'PUT',
    headers: { 'content-type': MEDIA.ociManifest },
    body: manifest,
  });
  await put.body.dump();
  expect(put.statusCode).toBe(201);
}
