import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { makeHand } from '../support/tuf.ts';
import type { ClientName } from '../support/clients.ts';
import { clientPath } from '../support/clients.ts';
import type { Site } from '../support/countersign.ts';
import { createSite } from '../support/countersign.ts';
import { describeWithClients } from '../support/describe-with-clients.ts';
import { mustRun } from '../support/run.ts';
import { suiteScope } from '../support/scope.ts';
import { makePublisher } from '../support/trust-publisher.ts';
import type { TrustServer } from '../support/trust-server.ts';
import { startTrustServer, TRUST_SERVERS } from '../support/trust-server.ts';

const NEEDS: readonly ClientName[] = ['notary', 'notary-server'];
const HOST = 'registry.example.com';

interface Ran {
  readonly code: number;
  readonly data: Record<string, unknown>;
  readonly stderr: string;
}

describeWithClients('countersign signer and countersign root', NEEDS, () => {
  const scope = suiteScope();

  describe.each(TRUST_SERVERS)('against %s', (kind) => {
    let server: TrustServer;
    let made = 0;
    beforeAll(async () => {
      const folder = join(scope.folder(), kind);
      server = scope.own(await startTrustServer(folder, kind, { registry: HOST }));
    });

    /** Another machine: a key store and a cache of its own. */
    function machine(): Site & { run(...args: readonly string[]): Promise<Ran> } {
      made += 1;
      const folder = join(scope.folder(), `${kind}-${made}`);
      const site = createSite(folder);
      const tls = join(folder, 'docker-config', 'tls', server.host);
      mkdirSync(tls, { recursive: true });
      writeFileSync(join(tls, 'ca.crt'), server.authority.ca);
      const env = { DOCKER_CONTENT_TRUST_SERVER: server.url };
      return {
        ...site,
        cli: (args, options = {}) =>
          site.cli(args, { ...options, env: { ...env, ...options.env } }),
        run: async (...args) => {
          const ran = await site.cli(['--output', 'json', ...args], { env });
          const data = JSON.parse(ran.stdout) as Record<string, unknown>;
          return { code: ran.code, data, stderr: ran.stderr };
        },
      };
    }

    /** What the notary client, which knows nothing of us, sees of a repository's delegations. */
    async function delegations(gun: string): Promise<string> {
      const trust = join(scope.folder(), `notary-${kind}`);
      mkdirSync(trust, { recursive: true });
      writeFileSync(join(trust, 'ca.pem'), server.authority.ca);
      const args = ['-s', server.url, '-d', trust, '--tlscacert', join(trust, 'ca.pem')];
      const env = { HOME: trust };
      return (await mustRun(clientPath('notary'), [...args, 'delegation', 'list', gun], { env }))
        .stdout;
    }

    it('adds a signer to several repositories, begins those that are new, and tells which failed', async () => {
      const here = machine();
      await here.key('bob', 'ecdsa-p256');
      const key = join(here.policies, 'keys', 'bob.pub');
      const guns = [`${HOST}/add/one`, `${HOST}/add/two`];
      const first = await here.run('signer', 'add', 'bob', '--key', key, ...guns);
      expect(first).toMatchObject({
        code: 0,
        data: {
          signer: 'bob',
          repositories: guns.map((repository) => ({
            repository,
            done: { changed: true, begun: true },
            error: null,
          })),
        },
      });
      expect(await delegations(guns[0] as string)).toMatch(/targets\/bob[\s\S]*targets\/releases/);
      const again = await here.run('signer', 'add', 'bob', '--key', key, guns[0] as string);
      expect(again.data).toMatchObject({
        repositories: [{ done: { changed: false, begun: false } }],
      });
      // Who has no targets key adds nobody; to a repository of her own she does.
      const other = machine();
      const mixed = await other.run(
        'signer',
        'add',
        'bob',
        '--key',
        key,
        `${HOST}/add/mine`,
        guns[0] as string,
      );
      expect(mixed.code).toBe(0);
      await other.key('eve', 'ecdsa-p256');
      const eve = join(other.policies, 'keys', 'eve.pub');
      const partly = await other.run(
        'signer',
        'add',
        'eve',
        '--key',
        eve,
        guns[0] as string,
        `${HOST}/add/mine`,
      );
      expect(partly).toMatchObject({
        code: 1,
        data: {
          repositories: [
            { repository: guns[0], done: null, error: { code: 'NO_SIGNING_KEY' } },
            { done: { changed: true, begun: false } },
          ],
        },
      });
      expect(partly.stderr).toContain(`${guns[0]}: could not find necessary signing keys`);
    });

    it('refuses names, keys and images before anything is sent', async () => {
      const here = machine();
      await here.key('bob');
      const key = join(here.policies, 'keys', 'bob.pub');
      for (const args of [
        ['signer', 'add', 'releases', '--key', key, `${HOST}/none`],
        ['signer', 'add', 'Bob', '--key', key, `${HOST}/none`],
        ['signer', 'add', 'bob', '--key', '/nowhere.pub', `${HOST}/none`],
        ['signer', 'add', 'bob', '--key', key, `${HOST}/none`, `${HOST}/none:1`],
        ['signer', 'add', 'bob', `${HOST}/none`],
        ['signer', 'remove', 'releases', `${HOST}/none`],
      ]) {
        const { code } = await here.cli(args);
        expect({ args, code }).toEqual({ args, code: 2 });
      }
      expect((await server.http.file(`${HOST}/none`, 'root')).status).toBe(404);
    });

    it('removes a signer that is not the last one, and the last one only where it is told to', async () => {
      const here = machine();
      const gun = `${HOST}/remove/app`;
      for (const name of ['bob', 'eve']) {
        await here.key(name, 'ecdsa-p256');
        await here.run(
          'signer',
          'add',
          name,
          '--key',
          join(here.policies, 'keys', `${name}.pub`),
          gun,
        );
      }
      expect(await here.run('signer', 'remove', 'eve', gun)).toMatchObject({
        code: 0,
        data: { repositories: [{ repository: gun, done: { releasesSigned: true } }] },
      });
      const left = await delegations(gun);
      expect(left).toContain('targets/bob');
      expect(left).not.toContain('targets/eve');
      const gone = await here.run('signer', 'remove', 'eve', gun, `${HOST}/remove/none`);
      expect(gone).toMatchObject({
        code: 1,
        data: {
          repositories: [
            { error: { code: 'NO_TRUST_DATA' } },
            { error: { code: 'NO_TRUST_DATA' } },
          ],
        },
      });
      expect(gone.stderr).toMatch(/^error: \S+\/none: /m);
      expect(await here.run('signer', 'remove', 'bob', '--force', gun)).toMatchObject({ code: 0 });
      expect(await delegations(gun)).toContain('No delegations present');
    });

    it('lists roots with their ends and whether their key is here; what ends soon is exit 1', async () => {
      const here = machine();
      const gun = `${HOST}/list/app`;
      await here.key('bob', 'ecdsa-p256');
      await here.run('signer', 'add', 'bob', '--key', join(here.policies, 'keys', 'bob.pub'), gun);
      const row = {
        repository: gun,
        status: 'good',
        version: 1,
        certificateExpires: expect.stringMatching(/^20\d\d-/),
        keys: [{ here: true }],
        problem: null,
      };
      expect(await here.run('root', 'list', gun)).toMatchObject({
        code: 0,
        data: { repositories: [row] },
      });
      // Without a name: as this machine saw it, the server unasked.
      const unasked = { ...here.env, DOCKER_CONTENT_TRUST_SERVER: 'https://127.0.0.1:1' };
      const seen = await here.cli(['--output', 'json', 'root', 'list'], { env: unasked });
      expect(JSON.parse(seen.stdout)).toMatchObject({ repositories: [row] });
      expect(await here.run('root', 'list', gun, '--within', '3660d')).toMatchObject({
        code: 1,
        data: { repositories: [{ status: 'ends-soon' }] },
      });
      const text = await here.cli(['root', 'list', gun, '--within', '3660d']);
      expect(text.stdout).toContain(`countersign root rotate ${gun}`);
      const elsewhere = await machine().run('root', 'list', gun);
      expect(elsewhere.data).toMatchObject({ repositories: [{ keys: [{ here: false }] }] });
      expect(await here.run('root', 'list', `${HOST}/list/none`)).toMatchObject({ code: 3 });
      const away = await here.cli(['root', 'list', gun], { env: unasked });
      expect(away).toMatchObject({ code: 3 });
    });

    it('warns of a root certificate that ends tomorrow, and tells of one that has ended', async () => {
      const published = async (name: string, age: number) => {
        const gun = `${HOST}/list/${name}`;
        const made = new Date(Date.now() - age * 86_400_000);
        const root = await makeHand('ecdsa-p256', { gun, now: made });
        const hands = { root, targets: await makeHand('ecdsa-p256') };
        return makePublisher(server.http, gun, hands);
      };
      const soon = await published('soon', 3649.5);
      expect((await server.http.publish(soon.gun, await soon.first())).status).toBe(200);
      expect(await machine().run('root', 'list', soon.gun)).toMatchObject({
        code: 1,
        data: { repositories: [{ status: 'ends-soon', keys: [{ here: false }] }] },
      });
      // No server takes it any more; who used the repository has it still.
      const ended = await published('ended', 3651);
      const here = machine();
      const cache = join(here.folder, 'docker-config', 'trust', 'tuf', ended.gun, 'metadata');
      mkdirSync(cache, { recursive: true });
      writeFileSync(join(cache, 'root.json'), await ended.root());
      expect(await here.run('root', 'list')).toMatchObject({
        code: 1,
        data: { repositories: [{ repository: ended.gun, status: 'ended' }] },
      });
    });

    it('gives repositories a new root key, or the same key a new certificate; others follow', async () => {
      const here = machine();
      const reader = machine();
      const gun = `${HOST}/rotate/app`;
      await here.key('bob', 'ecdsa-p256');
      await here.run('signer', 'add', 'bob', '--key', join(here.policies, 'keys', 'bob.pub'), gun);
      const idsOf = async (site: ReturnType<typeof machine>) => {
        const { data } = await site.run('root', 'list', gun);
        const [row] = data['repositories'] as {
          version: number;
          keys: { id: string; notaryId: string }[];
        }[];
        return { version: row?.version, ...row?.keys[0] };
      };
      const before = await idsOf(reader);
      const rotated = await here.run('root', 'rotate', gun);
      expect(rotated).toMatchObject({ code: 0, data: { repositories: [{ repository: gun }] } });
      const after = await idsOf(reader);
      expect(after.version).toBe(2);
      expect(after.notaryId).not.toBe(before.notaryId);
      expect((await here.run('root', 'rotate', '--keep-key', gun)).code).toBe(0);
      const kept = await idsOf(reader);
      expect(kept).toMatchObject({ version: 3, notaryId: after.notaryId });
      expect(kept.id).not.toBe(after.id);
      // Whoever saw the first root alone steps from one to the next.
      expect(await delegations(gun)).toContain('targets/bob');
      const refused = await reader.run('root', 'rotate', gun);
      expect(refused).toMatchObject({
        code: 1,
        data: { repositories: [{ error: { code: 'NO_SIGNING_KEY' } }] },
      });
    });

    it('root reset makes the gate take another root, and tells where there is no gate', async () => {
      const here = machine();
      const gun = `${HOST}/reset/app`;
      const publish = async (): Promise<readonly string[]> => {
        const publisher = await makePublisher(server.http, gun);
        await server.http.publish(gun, await publisher.first());
        const call = await server.http.call('GET', '/api/v1/repositories');
        if (call.status !== 200) return [];
        const { repositories } = JSON.parse(call.body.toString()) as {
          repositories: { repository: string; root: { keys: string[] } | null }[];
        };
        return repositories.find(({ repository }) => repository === gun)?.root?.keys ?? [];
      };
      const first = await publish();
      await server.http.call('DELETE', `/v2/${gun}/_trust/tuf/`);
      expect(await publish()).toEqual(first);
      const reset = (reason: string) =>
        here.run('root', 'reset', gun, '--reason', reason, '--server', server.host);
      expect((await reset(' ')).code).toBe(2);
      const done = await reset('the key was lost');
      if (kind === 'notary-server') {
        expect(done.code).toBe(2);
        expect(done.stderr).toContain('is no Countersign, so nothing was reset');
        return;
      }
      expect(done).toMatchObject({ code: 0, data: { repository: gun } });
      await server.http.call('DELETE', `/v2/${gun}/_trust/tuf/`);
      const other = await publish();
      expect(other).toHaveLength(1);
      expect(other).not.toEqual(first);
    });

    it('copies root keys encrypted as they are, readable by their owner alone, and overwrites nothing', async () => {
      const here = machine();
      const gun = `${HOST}/backup/app`;
      expect((await here.cli(['root', 'backup', 'none.pem'])).code).toBe(2);
      await here.key('bob', 'ecdsa-p256');
      await here.run('signer', 'add', 'bob', '--key', join(here.policies, 'keys', 'bob.pub'), gun);
      // No passphrase: nothing is opened.
      const env = {
        DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE: undefined,
        DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE: undefined,
      };
      const file = join(here.folder, 'root-keys.pem');
      const one = await here.cli(['root', 'backup', file], { env });
      expect(one).toMatchObject({ code: 0 });
      expect(statSync(file).mode & 0o777).toBe(0o600);
      expect((await here.cli(['root', 'backup', file], { env })).code).toBe(2);
      const folder = join(here.folder, 'copies');
      expect((await here.cli(['root', 'backup', '--all', '--out', folder], { env })).code).toBe(0);
      const store = join(here.folder, 'docker-config', 'trust', 'private');
      expect(readdirSync(folder)).toEqual(readdirSync(store));
      for (const name of readdirSync(folder)) {
        expect(statSync(join(folder, name)).mode & 0o777).toBe(0o600);
        expect(readFileSync(join(folder, name), 'utf8')).toContain('ENCRYPTED PRIVATE KEY');
      }
      expect((await here.cli(['root', 'backup', file, '--out', folder])).code).toBe(2);
      // The notary client takes it back, and a machine with the copies can do what this one could.
      const trust = join(here.folder, 'notary');
      await mustRun(clientPath('notary'), ['-d', trust, 'key', 'import', file], {
        env: { HOME: here.folder },
      });
      const listed = await mustRun(clientPath('notary'), ['-d', trust, 'key', 'list'], {
        env: { HOME: here.folder },
      });
      expect(listed.stdout).toMatch(/^root +[0-9a-f]{64}/m);
      const restored = machine();
      const target = join(restored.folder, 'docker-config', 'trust', 'private');
      mkdirSync(target, { recursive: true, mode: 0o700 });
      for (const name of readdirSync(folder)) {
        writeFileSync(join(target, name), readFileSync(join(folder, name)), { mode: 0o600 });
      }
      expect((await restored.run('root', 'rotate', gun)).code).toBe(0);
    });
  });
});
