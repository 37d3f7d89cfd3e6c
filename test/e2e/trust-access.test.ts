import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { ClientName } from '../support/clients.ts';
import { describeWithClients } from '../support/describe-with-clients.ts';
import type { DockerHome } from '../support/docker-home.ts';
import { dockerHome, logIn } from '../support/docker-home.ts';
import { writeHtpasswd } from '../support/docker-registry.ts';
import { PASSWORD, PUSHER, READER } from '../support/guarded.ts';
import { suiteScope } from '../support/scope.ts';
import { versionsOf } from '../support/trust-files.ts';
import type { TrustAnswer } from '../support/trust-http.ts';
import { trustPath } from '../support/trust-http.ts';
import { makePublisher } from '../support/trust-publisher.ts';
import type { TrustServer } from '../support/trust-server.ts';
import { startTrustServer } from '../support/trust-server.ts';

const CLIENTS: readonly ClientName[] = ['docker-20', 'docker-28'];
/** Images are not called after the trust server, and logins are kept by the image's registry. */
const REGISTRY = 'registry.example.com:5000';
/** May delete. */
const REMOVER = 'alice';

describeWithClients(
  'trust data behind a login, as docker and notary meet it (item 38)',
  [...CLIENTS, 'htpasswd'],
  () => {
    const scope = suiteScope();
    let server: TrustServer;
    beforeAll(async () => {
      const folder = join(scope.folder(), 'server');
      mkdirSync(folder, { recursive: true });
      const names = [PUSHER, READER, REMOVER];
      const users = await writeHtpasswd(
        folder,
        Object.fromEntries(names.map((name) => [name, PASSWORD])),
      );
      const rights = `pull: [${READER}, ${PUSHER}], push: [${PUSHER}], delete: [${REMOVER}]`;
      server = scope.own(
        await startTrustServer(folder, 'countersign', {
          registry: REGISTRY,
          config: [
            `identities: { htpasswd: "${users}" }`,
            `access: [{ repositories: ["${REGISTRY}/**"], ${rights} }]`,
          ],
        }),
      );
    });

    const as = (name: string): Record<string, string> => ({
      authorization: `Basic ${btoa(`${name}:${PASSWORD}`)}`,
    });
    const ask = (method: string, path: string, who?: string): Promise<TrustAnswer> =>
      server.http.call(method, path, who === undefined ? {} : { headers: as(who) });

    it('a stranger is asked for a login, health is for everybody', async () => {
      const answer = await ask('GET', '/v2/');
      expect([answer.status, answer.code]).toEqual([401, 'UNAUTHORIZED']);
      expect(answer.headers['www-authenticate']).toMatch(/^Basic realm="/);
      expect((await ask('GET', '/_notary_server/health')).status).toBe(200);
      expect((await ask('GET', '/v2/', READER)).status).toBe(200);
    });

    it('reading asks for pull, keys and publishing for push, deleting for a right of its own', async () => {
      const gun = `${REGISTRY}/team/rights`;
      const { http } = server;
      const mine = await makePublisher(
        { ...http, file: (name, file) => ask('GET', trustPath(name, file), PUSHER) },
        gun,
      );
      const parts = await mine.first();
      for (const who of [undefined, READER, REMOVER]) {
        const refused = await http.publish(gun, parts, who === undefined ? {} : as(who));
        expect([who, refused.status, refused.code]).toEqual([who, 401, 'UNAUTHORIZED']);
      }
      expect((await http.publish(gun, parts, as(PUSHER))).status).toBe(200);
      const status = async (method: string, file: string, who?: string): Promise<number> =>
        (await ask(method, trustPath(gun, file), who)).status;
      expect(await status('GET', 'root.json')).toBe(401);
      expect(await status('GET', 'root.json', READER)).toBe(200);
      expect(await status('GET', 'timestamp.key', READER)).toBe(401);
      expect(await status('GET', 'timestamp.key', PUSHER)).toBe(200);
      // The original asks for more here. A key changes nothing until a root lists it.
      expect(await status('POST', 'timestamp.key', READER)).toBe(401);
      expect(await status('POST', 'timestamp.key', PUSHER)).toBe(200);
      expect(await status('DELETE', '', PUSHER)).toBe(401);
      expect(await status('GET', 'root.json', READER)).toBe(200);
      expect(await status('DELETE', '', REMOVER)).toBe(200);
      expect(await status('GET', 'root.json', READER)).toBe(404);
    });

    describe.each(CLIENTS)('%s', (client) => {
      const gun = `${REGISTRY}/team/${client}`;
      const person = (name: string, user?: string): DockerHome => {
        const home = dockerHome(join(scope.folder(), client, name), {
          // Nothing here needs an engine.
          engine: 'unix:///nowhere',
          client,
          server: server.url,
          ca: server.authority.ca,
        });
        if (user !== undefined) logIn(home, REGISTRY, user, PASSWORD);
        return home;
      };
      const addSigner = async (home: DockerHome, name: string, to = gun) => {
        await home.must('trust', 'key', 'generate', name);
        const key = join(home.folder, `${name}.pub`);
        return home.docker('trust', 'signer', 'add', '--key', key, name, to);
      };

      it('signs with the login for the registry of the image', async () => {
        const owner = person('owner', PUSHER);
        expect(await addSigner(owner, 'bob')).toMatchObject({ code: 0 });
        const shown = await person('reader', READER).must('trust', 'inspect', gun);
        expect(shown.stdout).toContain('"Name": "bob"');
      });

      it('says that a login is missing or not enough', async () => {
        const refused = 'you are not authorized to perform this operation: server returned 401.';
        const before = await ask('GET', trustPath(gun, 'root.json'), READER);
        const reader = person('second-reader', READER);
        const begun = await addSigner(reader, 'mallory', `${gun}-of-mallory`);
        expect([begun.code, begun.output]).toEqual([1, expect.stringContaining(refused)]);
        expect((await ask('GET', trustPath(`${gun}-of-mallory`, 'root.json'), READER)).status).toBe(
          404,
        );
        const stranger = person('stranger');
        const pulled = await stranger.docker('pull', `${gun}:1`);
        // Docker's own words where it was asked for a password and has none.
        expect(pulled).toMatchObject({
          code: 1,
          stderr: 'Error: error contacting notary server: no basic auth credentials\n',
        });
        const wrong = person('wrong');
        logIn(wrong, REGISTRY, PUSHER, 'another password');
        const pulledWrong = await wrong.docker('pull', `${gun}:1`);
        expect([pulledWrong.code, pulledWrong.stderr]).toEqual([
          1,
          expect.stringContaining(refused),
        ]);
        const none = await stranger.docker('trust', 'inspect', gun);
        expect(none).toMatchObject({ code: 1, stdout: '[]\n' });
        const after = await ask('GET', trustPath(gun, 'root.json'), READER);
        expect(after.body).toEqual(before.body);
        expect(
          await versionsOf(
            { ...server.http, file: (name, file) => ask('GET', trustPath(name, file), READER) },
            gun,
          ),
        ).toMatchObject({ root: 1 });
      });
    });
  },
);
