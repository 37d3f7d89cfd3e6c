import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import type { Site } from '../../support/countersign.ts';
import { createSite } from '../../support/countersign.ts';
import { suiteScope } from '../../support/scope.ts';
import { publicKeyPem } from '../../policy/site.ts';

const DIGEST = `sha256:${'ab'.repeat(32)}`;
const POLICY = `version: 1
authorities:
  - { name: release-bot, keys: [keys/release-bot.pub] }
  - { name: idle, keys: [keys/idle.pub] }
policies:
  - name: production
    images: ["\${registry}/prod/**"]
    mode: enforce
    require:
      - signatures: { by: [release-bot], maxAge: 90d }
    signedAs: [old.example.com/prod]
    exceptions:
      - { digest: "${DIGEST}", reason: vendor image, approvedBy: alice, expires: 2020-01-31 }
  - name: rest
    images: ["\${registry}/**"]
    mode: warn
    push: allow
  - name: floor
    images: ["**"]
    floor: true
    mode: "off"
`;

describe('countersign policy', () => {
  const scope = suiteScope();
  let count = 0;
  let site: Site;
  beforeEach(() => {
    site = createSite(join(scope.folder(), String(count++)));
    for (const name of ['release-bot', 'idle']) {
      writeFileSync(join(site.policies, 'keys', `${name}.pub`), publicKeyPem());
    }
    site.policy(POLICY);
  });
  const json = async (...args: readonly string[]) => {
    const { code, stdout } = await site.cli(['--output', 'json', 'policy', ...args]);
    return { code, data: JSON.parse(stdout) as Record<string, unknown> };
  };

  describe('check', () => {
    it('loads what the service would load, and points at what looks unwise', async () => {
      const { code, stdout, stderr } = await site.cli(['policy', 'check']);
      expect(code).toBe(0);
      expect(stdout).toMatch(
        /^policies: 3 policies and 2 authorities load, with 7 warnings; revision [0-9a-f]{12}$/m,
      );
      for (const said of [
        'authority release-bot: has one key only',
        'authority idle: no policy asks for it',
        'policy production has an exception for sha256:abab',
        'expired on 2020-01-31: remove it',
        'policy rest only warns',
        'policy rest requires nothing',
        'policy rest lets every push give a tag',
        'policy floor is a floor that is off',
      ]) {
        expect(stderr).toContain(said);
      }
      expect(stderr).toMatch(/policies\/policy\.yaml:6: policy production/);
    });

    it('says that a policy folder inside another one is not read', async () => {
      const inner = join(site.policies, 'docker-content-trust');
      mkdirSync(inner);
      writeFileSync(join(inner, 'policy.yaml'), POLICY);
      const { code, stderr } = await site.cli(['policy', 'check']);
      expect(code).toBe(0);
      expect(stderr).toContain(
        'warning: the YAML files in docker-content-trust/ below policies are not read',
      );
    });

    it('exits 2 for a set that does not load, with every problem on its line', async () => {
      site.policy(
        POLICY.replace('push: allow', 'pusch: allow').replace(
          '[release-bot], maxAge',
          '[bot], maxAge',
        ),
      );
      const { code, stdout, stderr } = await site.cli(['policy', 'check', 'policies']);
      expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
      expect(stderr).toMatch(/policies\/policy\.yaml:10: expected a known authority, found "bot"/);
      expect(stderr).toMatch(/policies\/policy\.yaml:17: .*did you mean "push"\?/);
    });

    it('says what to do where there is no folder', async () => {
      rmSync(site.policies, { recursive: true });
      const { code, stderr } = await site.cli(['policy', 'check']);
      expect(code).toBe(2);
      expect(stderr).toMatch(/no such folder; begin with a copy of .*--policies/);
    });

    it('prints all of it as JSON', async () => {
      const { code, data } = await json('check', '--registry', 'registry.example.com');
      expect(code).toBe(0);
      expect(data).toMatchObject({
        ok: true,
        files: ['policy.yaml', 'keys/release-bot.pub', 'keys/idle.pub'],
        policies: [{ name: 'production', images: ['registry.example.com/prod/**'] }, {}, {}],
        authorities: [{ name: 'release-bot', keys: [{ type: 'ed25519' }] }, {}],
      });
    });

    it('reads the policy folder and registry of a configuration', async () => {
      mkdirSync(join(site.folder, 'elsewhere'));
      writeFileSync(
        join(site.folder, 'elsewhere', 'p.yaml'),
        "version: 1\npolicies: [{ name: p, images: ['${registry}/x'], mode: warn }]\n",
      );
      writeFileSync(
        join(site.folder, 'countersign.yaml'),
        'policies: ./elsewhere\nregistries: [{ host: hub.example.com }]\n',
      );
      const { data } = await json('check');
      expect(data).toMatchObject({ policies: [{ name: 'p', images: ['hub.example.com/x'] }] });
    });
  });

  describe('explain', () => {
    it('shows which policy governs and why, what it requires, and what else matches', async () => {
      const args = ['--registry', 'registry.example.com', '--digest', DIGEST];
      const { code, stdout } = await site.cli([
        'policy',
        'explain',
        'registry.example.com/prod/app:1',
        ...args,
      ]);
      expect(code).toBe(0);
      expect(stdout.split('\n').map((line) => line.trim().replaceAll(/ {2,}/g, ' '))).toEqual([
        'registry.example.com/prod/app',
        'governed by production (policies/policy.yaml:6), mode enforce',
        'because registry.example.com/prod/** is the most specific pattern that matches',
        'requires signed by release-bot (cosign), not older than 90d',
        'signed as registry.example.com/prod/app, old.example.com/prod/app',
        'exception until 2020-01-31T23:59:59.999Z, approved by alice: vendor image',
        'not by rest (policies/policy.yaml:14), mode warn',
        'because registry.example.com/** matches too, but is less specific',
        'and floor floor (policies/policy.yaml:18), mode off',
        'because ** matches too, and a floor holds besides',
        'requires nothing',
        'signed as registry.example.com/prod/app',
        'at the gate push reject, tags registry, digests any, blobs open, delete deny, holdFor 1d, authGrace 0s',
        '${registry} registry.example.com',
        '',
      ]);
    });

    it('knows a repository by every name of its host', async () => {
      const { data } = await json('explain', '127.0.0.1:5443/prod/app');
      expect(data).toMatchObject({
        repository: 'localhost:5443/prod/app',
        policies: [{ name: 'production', role: 'governs' }, { name: 'rest' }, { name: 'floor' }],
      });
    });

    it('exits 1 where nothing governs, and 2 for what is no image', async () => {
      site.policy(POLICY.replace('"**"', 'other.example.com/**'));
      const none = await site.cli(['policy', 'explain', 'nginx']);
      expect(none).toMatchObject({ code: 1 });
      expect(none.stdout).toMatch(/docker\.io\/library\/nginx\n {2}denied: no policy governs it/);
      // `${registry}` of a file is the service's own name, which nobody has said here.
      const { stdout } = await site.cli(['policy', 'explain', 'localhost:12443/prod/app']);
      expect(stdout).toContain(
        '${registry} of the policies was taken for localhost:5443; where the service has another name, give it with --registry HOST',
      );
      const named = ['explain', 'localhost:12443/prod/app', '--registry', 'localhost:12443'];
      expect(await json(...named)).toMatchObject({
        code: 0,
        data: { registry: 'localhost:12443', policies: [{ name: 'production' }, {}] },
      });
      expect((await site.cli(['policy', 'explain', 'not an image'])).code).toBe(2);
      expect((await site.cli(['policy', 'explain', 'nginx', '--digest', 'x'])).code).toBe(2);
      expect((await site.cli(['policy', 'explain', 'nginx', '--server', 'ftp://x'])).code).toBe(2);
    });

    it('asks a running service for its findings', async () => {
      const asked: unknown[] = [];
      const server = createServer((request, response) => {
        let body = '';
        request.setEncoding('utf8').on('data', (text: string) => (body += text));
        request.on('end', () => {
          if (request.url !== '/api/v1/decisions') return response.writeHead(200).end('{}');
          asked.push(JSON.parse(body));
          return response.writeHead(200, { 'content-type': 'application/json' }).end(
            JSON.stringify({
              decision: 'deny',
              image: 'registry.example.com/prod/app:1',
              digest: DIGEST,
              policy: { name: 'production', revision: 'f'.repeat(64) },
              reason: { code: 'NOT_TRUSTED', message: 'not signed\u001b[31m' },
              findings: [
                { format: 'cosign', authority: null, status: 'invalid', reason: 'wrong key' },
              ],
              record: 7,
            }),
          );
        });
      });
      await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
      onTestFinished(() => void server.close());
      const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
      const ran = await site.cli([
        'policy',
        'explain',
        'registry.example.com/prod/app:1',
        '--server',
        url,
      ]);
      expect(ran.code).toBe(1);
      expect(asked).toEqual([{ image: 'registry.example.com/prod/app:1', action: 'pull' }]);
      expect(ran.stdout).toContain('(NOT_TRUSTED)');
      expect(ran.stdout).toMatch(/policy +production, revision ffffffffffff/);
      expect(ran.stdout).toMatch(/invalid +cosign, nobody known: wrong key/);
      expect(ran.stdout).not.toContain('\u001b');
    });

    it('exits 3 where no service answers', async () => {
      const args = [
        'policy',
        'explain',
        'registry.example.com/prod/app:1',
        '--server',
        'http://127.0.0.1:1',
      ];
      expect((await site.cli(args)).code).toBe(3);
    });
  });

  describe('test', () => {
    const fixture = (text: string): string => {
      mkdirSync(join(site.policies, 'tests'), { recursive: true });
      writeFileSync(join(site.policies, 'tests', 'cases.yaml'), `version: 1\ncases:\n${text}`);
      return 'policies/tests/cases.yaml';
    };
    const SIGNED = `  - name: signed
    image: \${registry}/prod/app:1
    signatures: [{ by: release-bot, age: 3d }]
    expect: allow
    code: TRUSTED
`;

    it('prints how each case came out, and exits 0 where all did as expected', async () => {
      const { code, stdout } = await site.cli(['policy', 'test', fixture(SIGNED)]);
      expect(code).toBe(0);
      expect(stdout).toBe('ok    allow TRUSTED        signed\n\n1 passed, 0 failed\n');
    });

    it('exits 1 where a case differs, and says where and how', async () => {
      const file = fixture(
        `${SIGNED}${SIGNED.replace('name: signed', 'name: late').replace('3d', '91d')}`,
      );
      const { code, stdout } = await site.cli(['policy', 'test', file]);
      expect(code).toBe(1);
      expect(stdout).toMatch(
        /FAIL {2}deny NOT_TRUSTED +late\n +policies\/tests\/cases\.yaml:8: expected allow, found deny NOT_TRUSTED: .*too old/,
      );
      expect(stdout).toMatch(/1 passed, 1 failed/);
      const { data } = await json('test', file);
      expect(data).toMatchObject({
        ok: false,
        cases: [
          { name: 'signed', decision: 'allow', difference: null },
          { name: 'late', expected: 'allow', decision: 'deny', reason: { code: 'NOT_TRUSTED' } },
        ],
      });
    });

    it('exits 2 for a fixture that does not load', async () => {
      const file = fixture(
        SIGNED.replace('by: release-bot', 'by: release-bott').replace('code:', 'kode:'),
      );
      const { code, stderr } = await site.cli(['policy', 'test', file]);
      expect(code).toBe(2);
      expect(stderr).toMatch(
        /cases\.yaml:5: expected a known authority.*did you mean release-bot\?/,
      );
      expect(stderr).toMatch(/cases\.yaml:7: .*did you mean "code"\?/);
      // What lies in the folder above is no policy folder of this fixture's.
      writeFileSync(join(site.folder, 'bad.yaml'), 'no policy');
      for (const [missing, cwd] of [
        ['missing.yaml', site.policies],
        ['policies/tests/missing.yaml', site.folder],
      ] as const) {
        expect(await site.cli(['policy', 'test', missing], { cwd })).toMatchObject({
          code: 2,
          stderr: `error: expected to read ${missing}, but there is no such file\n`,
        });
      }
    });
  });
});
