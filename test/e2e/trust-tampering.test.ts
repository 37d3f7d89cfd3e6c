import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { sha256Hex } from '../../src/lib/bytes.ts';
import type { ClientName } from '../support/clients.ts';
import { describeWithClients } from '../support/describe-with-clients.ts';
import type { DockerHome } from '../support/docker-home.ts';
import { dockerHome } from '../support/docker-home.ts';
import { suiteScope } from '../support/scope.ts';
import { signedFile } from '../support/trust-files.ts';
import { trustPath } from '../support/trust-http.ts';
import { TRUST_SERVERS, startTrustServer } from '../support/trust-server.ts';
import type { TrustServer } from '../support/trust-server.ts';
import type { TrustGround, TrustStage } from '../support/trust-stage.ts';
import { startTrustGround, startTrustStage } from '../support/trust-stage.ts';
import type { OwnAnswer } from '../support/trust-wire.ts';
import { startTrustWire } from '../support/trust-wire.ts';
import { makeRepository, replaced, resign } from '../support/tuf.ts';

const CLIENTS: readonly ClientName[] = ['docker-20', 'docker-28'];
const NEEDS: readonly ClientName[] = [...CLIENTS, 'dockerd', 'docker-registry', 'notary-server'];
/** Not on loopback, where docker verifies no certificate. */
const REGISTRY = 'registry.example.com:5000';

describeWithClients('what docker says of trust data that was tampered with', NEEDS, () => {
  const scope = suiteScope();
  let ground: TrustGround;
  beforeAll(async () => {
    ground = await startTrustGround(scope);
    await ground.engine.makeImage('image:one', 'one');
  });

  describe.each(TRUST_SERVERS)('on the way from %s', (kind) => {
    let stage: TrustStage;
    beforeAll(async () => {
      stage = await startTrustStage(scope, kind, ground);
    });

    describe.each(CLIENTS)('%s', (client) => {
      let alice: DockerHome;
      beforeAll(() => {
        alice = stage.home(`alice-${client}`, client);
      });

      const at = (name: string): string => stage.at(`${client}/${name}`);
      const sign = async (name: string): Promise<void> => {
        await alice.plain('tag', 'image:one', name);
        await alice.must('push', name);
      };
      /** What a reader gets who pulls while some files are answered by the test. */
      const tampered = async (
        reader: DockerHome,
        gun: string,
        answers: Readonly<Record<string, OwnAnswer>>,
      ): Promise<string> => {
        const paths = new Map(
          Object.entries(answers).map(([name, answer]) => [trustPath(gun, name), answer]),
        );
        stage.wire.answerWith((path) => paths.get(path));
        const ran = await reader.docker('pull', `${gun}:1`);
        stage.wire.answerWith(null);
        expect(ran.code).toBe(1);
        return ran.stderr;
      };

      it('a server that is away is bridged by what was cached, and an error without (item 40)', async () => {
        const gun = at('away');
        await sign(`${gun}:1`);
        const [warmed, cold] = [
          stage.home(`warmed-${client}`, client),
          stage.home(`cold-${client}`, client),
        ];
        await warmed.must('pull', `${gun}:1`);
        await stage.wire.cut();
        const pulled = await warmed.docker('pull', `${gun}:1`);
        const refused = await cold.docker('pull', `${gun}:1`);
        await stage.wire.mend();
        expect([pulled.code, pulled.stderr]).toEqual([
          0,
          expect.stringContaining(
            'Error while downloading remote metadata, using cached timestamp - this might not be the latest version available remotely',
          ),
        ]);
        expect(refused.code).toBe(1);
        expect(refused.stderr).toMatch(
          /^Error: error contacting notary server: dial tcp .*: connect: connection refused$/m,
        );
        await cold.must('pull', `${gun}:1`);
      });

      it('an older timestamp, a wrong signature and another snapshot are told apart (item 41)', async () => {
        const gun = at('tampered');
        await sign(`${gun}:1`);
        const old = await signedFile(stage.server.http, gun, 'timestamp');
        await sign(`${gun}:2`);
        const reader = stage.home(`reader-${client}`, client);
        await reader.must('pull', `${gun}:2`);
        const now = await signedFile(stage.server.http, gun, 'timestamp');
        expect(await tampered(reader, gun, { 'timestamp.json': { body: old.bytes } })).toContain(
          `Warning: potential malicious behavior - trust data version is lower than expected for remote repository ${gun}: version ${old.version} is lower than current version ${now.version}`,
        );
        const forged = now.bytes.toString().replace(/"expires":"2/, '"expires":"3');
        expect(await tampered(reader, gun, { 'timestamp.json': { body: forged } })).toContain(
          `Warning: potential malicious behavior - trust data has insufficient signatures for remote repository ${gun}: valid signatures did not meet threshold for timestamp`,
        );
        const fresh = stage.home(`fresh-${client}`, client);
        const listed = now.listed('snapshot') ?? '';
        const snapshot = await signedFile(stage.server.http, gun, 'snapshot');
        const changed = Buffer.from(snapshot.bytes);
        changed[changed.length - 4] = (changed.at(-4) ?? 0) ^ 1;
        expect(
          await tampered(fresh, gun, { [`snapshot.${listed}.json`]: { body: changed } }),
        ).toMatch(/sha(?:256|512) checksum for snapshot did not match: expected [0-9a-f]{64}/);
        const longer = Buffer.concat([snapshot.bytes, Buffer.from(' ')]);
        expect(
          await tampered(fresh, gun, {
            [`snapshot.${listed}.json`]: {
              headers: { 'content-length': longer.length },
              body: longer,
            },
          }),
        ).toContain('trust server returned a bad response.');
        expect(await tampered(fresh, gun, { 'timestamp.json': { body: '<html>' } })).toContain(
          `invalid character '<' looking for beginning of value`,
        );
        // Undisturbed, both go on.
        await reader.must('pull', `${gun}:1`);
        await fresh.must('pull', `${gun}:1`);
      });

      it('an expired timestamp is out of date (item 41)', async () => {
        // Nobody but the server can sign a timestamp: one of a repository of the test's own.
        const gun = at('expired');
        const made = await makeRepository({ gun, now: new Date() });
        const past = { expires: '2020-01-01T00:00:00Z' };
        const file = made.files.get('timestamp') ?? Buffer.of();
        const expired = await resign(file, past, [made.hands.timestamp]);
        const files = await replaced(made, 'timestamp', expired);
        const answers = Object.fromEntries(
          [...files].flatMap(([role, body]) => [
            [`${role}.json`, { body }],
            [`${role}.${sha256Hex(body)}.json`, { body }],
          ]),
        );
        const reader = stage.home(`late-${client}`, client);
        const said = await tampered(reader, gun, answers);
        expect(said).toContain('Metadata for timestamp expired');
        expect(said).toContain(
          `Error: remote repository ${gun} out-of-date: timestamp expired at Wed Jan 1 00:00:00 UTC 2020`,
        );
      });
    });
  });

  describe.each(TRUST_SERVERS)('with the certificates of %s', (kind) => {
    let server: TrustServer;
    beforeAll(async () => {
      const folder = join(scope.folder(), `${kind}-named`);
      server = scope.own(await startTrustServer(folder, kind, { registry: REGISTRY }));
    });

    it.each(CLIENTS)(
      '%s takes the authority and the identity of its own folder, and nobody else’s (item 39)',
      async (client) => {
        const identified = { identified: true };
        const strict = scope.own(
          await startTrustWire(server.authority, () => server.url, identified),
        );
        const { engine } = ground;
        const person = (name: string, url: string, files: Readonly<Record<string, string>>) => {
          const folder = join(scope.folder(), `${kind}-named`, client, name);
          const tls = join(folder, 'tls', new URL(url).host);
          mkdirSync(tls, { recursive: true });
          for (const [file, text] of Object.entries(files)) writeFileSync(join(tls, file), text);
          return dockerHome(folder, { engine: engine.address, client, server: url });
        };
        const { ca, client: own } = server.authority;
        const gun = `${REGISTRY}/${client}/app`;
        const signer = async (home: DockerHome) => {
          await home.must('trust', 'key', 'generate', 'bob');
          const key = join(home.folder, 'bob.pub');
          return home.docker('trust', 'signer', 'add', '--key', key, 'bob', gun);
        };
        const known = person('known', server.url, { 'root_ca.crt': ca });
        expect(await signer(known)).toMatchObject({ code: 0 });
        await known.must('trust', 'inspect', gun);
        const stranger = person('stranger', server.url, {});
        const refused = await stranger.docker('pull', `${gun}:1`);
        expect(refused.code).toBe(1);
        expect(refused.stderr).toMatch(/x509: certificate signed by unknown authority/);
        const identity = { 'client.cert': own.cert, 'client.key': own.key };
        const mutual = person('mutual', strict.url, { 'root_ca.crt': ca, ...identity });
        expect(await mutual.docker('trust', 'inspect', gun)).toMatchObject({ code: 0 });
        const nobody = person('nobody', strict.url, { 'root_ca.crt': ca });
        expect(await nobody.docker('trust', 'inspect', gun)).toMatchObject({ code: 1 });
      },
    );
  });
});
