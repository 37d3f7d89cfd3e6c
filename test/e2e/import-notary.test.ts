import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { beforeAll, expect, it } from 'vitest';
import { openPostgres } from '../../src/import/postgres-source.ts';
import { openSignerKey } from '../../src/import/signer-key.ts';
import { fileSigner } from '../../src/keys/signers/file.ts';
import { sha256Hex } from '../../src/lib/bytes.ts';
import { unwrap } from '../../src/lib/result.ts';
import { buildTimestamp } from '../../src/tuf/build-files.ts';
import { startChild } from '../support/child.ts';
import { ENTRY } from '../support/countersign.ts';
import { describeWithClients } from '../support/describe-with-clients.ts';
import type { Mariadb } from '../support/mariadb.ts';
import { startMariadb } from '../support/mariadb.ts';
import type { NotaryHome } from '../support/notary-home.ts';
import { notaryHome } from '../support/notary-home.ts';
import type { NotaryMove } from '../support/notary-move.ts';
import { startNotaryMove } from '../support/notary-move.ts';
import { SIGNER_PASSPHRASE } from '../support/notary-server.ts';
import type { Postgres } from '../support/postgres.ts';
import { startPostgres } from '../support/postgres.ts';
import { suiteScope } from '../support/scope.ts';

const REGISTRY = { host: 'registry.example.com', upstream: 'embedded' };
const OWN = `${REGISTRY.host}/team/own`;
const HELD = `${REGISTRY.host}/team/held`;

interface Reported {
  readonly repositories: readonly Readonly<Record<string, unknown>>[];
  readonly rotate: readonly string[];
}

/** A person who has published: `OWN` with a snapshot key of her own, `HELD` with the server's. */
async function publish(move: NotaryMove, folder: string): Promise<NotaryHome> {
  const home = notaryHome(folder, { url: move.old.url, ca: move.ca });
  const file = join(folder, 'content');
  writeFileSync(file, 'the content of a tag');
  for (const gun of [OWN, HELD]) {
    await home.must('init', '-p', gun);
    await home.must('add', '-p', gun, 'v1', file);
  }
  await home.must('key', 'rotate', HELD, 'snapshot', '-r');
  return home;
}

/** Every command must end well and warn of nothing: docker and notary say so on a line with a level. */
async function quietly(home: NotaryHome, ...args: readonly string[]): Promise<string> {
  const ran = await home.must(...args);
  expect(ran.output).not.toMatch(/level=|warn|Error/i);
  return ran.output;
}

/** The ids that sign the current timestamp, and its version. */
async function timestampOf(move: NotaryMove, gun: string): Promise<unknown> {
  const { status, body } = await move.http.file(gun, 'timestamp.json');
  expect(status).toBe(200);
  const file = JSON.parse(body.toString()) as {
    signed: { version: number };
    signatures: { keyid: string }[];
  };
  return { version: file.signed.version, keys: file.signatures.map(({ keyid }) => keyid) };
}

const reportOf = (output: string): Reported => JSON.parse(output) as Reported;
const programs = ['notary', 'notary-server', 'notary-signer'] as const;

describeWithClients(
  'notary-server with PostgreSQL is replaced',
  [...programs, 'postgres', 'initdb', 'psql', 'pg_dump'],
  () => {
    const scope = suiteScope();
    let postgres: Postgres;

    beforeAll(async () => {
      postgres = scope.own(await startPostgres());
    });

    const start = async (
      name: string,
      keyAlgorithm: 'ecdsa' | 'ed25519' = 'ecdsa',
    ): Promise<{
      readonly move: NotaryMove;
      readonly home: NotaryHome;
      readonly folder: string;
    }> => {
      const folder = join(scope.folder(), name);
      const move = await startNotaryMove(folder, REGISTRY, { postgres, keyAlgorithm });
      scope.own(move.old);
      return { move, home: await publish(move, join(folder, 'home')), folder };
    };
    const databases = ({ old }: NotaryMove): { server: string; signer: string } => {
      if (old.databases === null) throw new Error('expected databases');
      return old.databases;
    };
    const live = (move: NotaryMove): readonly string[] => {
      const { server, signer } = databases(move);
      return ['--server-db', postgres.url(server), '--signer-db', postgres.url(signer)];
    };

    /** Puts a timestamp into the database that ended yesterday, as in a repository that nobody asks for. */
    const letExpire = async (move: NotaryMove, gun: string): Promise<void> => {
      const { server, signer } = databases(move);
      const source = await openPostgres(postgres.url(server), postgres.url(signer), []);
      const { files } = await source.repository(gun);
      const keys = await source.keys(gun, []);
      await source.close();
      const newest = (role: string) => files.findLast((file) => file.role === role);
      const key = keys.find(({ role }) => role === 'timestamp');
      const snapshot = newest('snapshot');
      if (key === undefined || snapshot === undefined) throw new Error('expected a repository');
      const opened = unwrap(await openSignerKey(key, 'timestamp', SIGNER_PASSPHRASE.passphrase));
      const version = (newest('timestamp')?.version ?? 0) + 1;
      const bytes = await buildTimestamp(snapshot.bytes, {
        version,
        expires: new Date(Date.now() - 86_400_000),
        signers: [{ keyid: key.id, signer: fileSigner(opened.privateKey) }],
      });
      await postgres.sql(
        server,
        `INSERT INTO tuf_files (gun, role, version, data, sha256) VALUES
         ('${gun}', 'timestamp', ${version}, '\\x${bytes.toString('hex')}', '${sha256Hex(bytes)}');`,
      );
    };

    it.each(['ecdsa', 'ed25519'] as const)(
      'from its running databases, with %s keys: a client with a cache reads, signs and changes keys without a warning',
      async (algorithm) => {
        const { move, home } = await start(`live-${algorithm}`, algorithm);
        const before = { own: await timestampOf(move, OWN), held: await timestampOf(move, HELD) };
        const feed = await move.http.call('GET', '/v2/_trust/changefeed?records=100');

        const dry = await move.importNotary(['--dry-run', ...live(move)]);
        expect(dry.code).toBe(0);
        expect(dry.stdout).toContain('2 repositories: 2 imported (dry run: nothing was written)');
        const ran = await move.importNotary(['--output', 'json', ...live(move)]);
        expect(ran.code).toBe(0);
        expect(reportOf(ran.stdout)).toMatchObject({
          repositories: [
            { gun: HELD, outcome: 'imported', keys: { timestamp: 'here', snapshot: 'here' } },
            { gun: OWN, outcome: 'imported', keys: { timestamp: 'here', snapshot: 'owner' } },
          ],
          rotate: [],
        });
        const again = await move.importNotary(live(move));
        expect(again.code).toBe(0);
        expect(again.stdout).toContain('2 repositories: 2 unchanged');

        scope.own(await move.serve());
        expect(await timestampOf(move, OWN)).toEqual(before.own);
        expect(await timestampOf(move, HELD)).toEqual(before.held);
        const ours = await move.http.call('GET', '/v2/_trust/changefeed?records=100');
        const ids = (body: Buffer): unknown =>
          (JSON.parse(body.toString()) as { records: Record<string, unknown>[] }).records.map(
            ({ ID, GUN, Version, SHA256, Category }) => ({ ID, GUN, Version, SHA256, Category }),
          );
        expect(ids(ours.body)).toEqual(ids(feed.body));
        for (const gun of [OWN, HELD]) {
          expect(await quietly(home, 'list', gun)).toContain('v1');
          await quietly(home, 'add', '-p', gun, 'v2', join(home.folder, 'content'));
          expect(await quietly(home, 'list', gun)).toContain('v2');
          await quietly(home, 'key', 'rotate', gun, 'timestamp', '-r');
          await quietly(home, 'key', 'rotate', gun, 'snapshot', '-r');
          await quietly(home, 'key', 'rotate', gun, 'targets');
          expect(await quietly(home, 'list', gun)).toContain('v2');
        }
      },
    );

    it('from dumps, by COPY and by INSERT; a timestamp that has expired is signed anew with the same key', async () => {
      const { move, home, folder } = await start('dumps');
      await letExpire(move, HELD);
      const [id] = ((await timestampOf(move, OWN)) as { keys: string[] }).keys;
      const { server, signer } = databases(move);
      const files = [join(folder, 'server.sql'), join(folder, 'signer.sql')] as const;
      writeFileSync(files[0], await postgres.dump(server));
      writeFileSync(files[1], await postgres.dump(signer, '--inserts'));
      const ran = await move.importNotary(files.flatMap((file) => ['--dump', file]));
      expect(ran.stdout).toContain('2 repositories: 2 imported');
      scope.own(await move.serve());
      expect(await timestampOf(move, OWN)).toMatchObject({ keys: [id] });
      const fresh = (await timestampOf(move, HELD)) as { version: number };
      expect((await move.http.file(HELD, `${fresh.version - 1}.timestamp.json`)).status).toBe(200);
      expect(await quietly(home, 'list', HELD)).toContain('v1');
    });

    it('from an archive of pg_dump it says how to make plain SQL', async () => {
      const { move, folder } = await start('archive');
      const file = join(folder, 'server.dump');
      await postgres.dump(databases(move).server, '--format=custom', `--file=${file}`);
      const ran = await move.importNotary(['--dump', file]);
      expect(ran.code).toBe(3);
      expect(ran.stderr).toContain('pg_restore -f dump.sql ARCHIVE');
    });

    it('while the service runs it says so and changes nothing', async () => {
      const { move } = await start('running');
      const service = scope.own(await move.serve());
      const ran = await move.importNotary(live(move));
      expect(ran.code).toBe(3);
      expect(ran.stderr).toContain('is in use by process');
      await service.stop();
    });

    it('goes on where it was after kill -9', async () => {
      const { move, home } = await start('killed');
      for (const n of [1, 2, 3, 4, 5, 6])
        await home.must('init', '-p', `${REGISTRY.host}/many/${n}`);
      const { args, env } = move.importing(live(move));
      const child = startChild(process.execPath, [ENTRY, ...args], { env, cwd: move.site.folder });
      while (child.running() && !child.stderr().includes('2/8')) await sleep(1);
      await child.kill();
      const second = await move.importNotary(['--output', 'json', ...live(move)]);
      expect(second.code).toBe(0);
      const outcomes = reportOf(second.stdout).repositories.map(({ outcome }) => outcome);
      expect(outcomes).toHaveLength(8);
      expect(outcomes.slice(0, 2)).toEqual(['unchanged', 'unchanged']);
      const third = await move.importNotary(live(move));
      expect(third.stdout).toContain('8 repositories: 8 unchanged');
      scope.own(await move.serve());
      for (const gun of [OWN, `${REGISTRY.host}/many/6`]) await quietly(home, 'list', gun);
    });

    it('over HTTP: what everybody can read comes along, and owners change to our keys', async () => {
      const { move, home } = await start('http');
      const from = ['--from', move.old.url, '--ca', move.ca];
      const dry = await move.importNotary(['--dry-run', '--output', 'json', ...from]);
      expect(dry.code).toBe(0);
      expect(reportOf(dry.stdout).rotate).toEqual([HELD, OWN]);
      // The notary client changes one key at a time: the snapshot key comes home while the old server runs.
      await home.must('key', 'rotate', HELD, 'snapshot');
      const ran = await move.importNotary([...from, OWN, HELD]);
      expect(ran.code).toBe(0);
      expect(ran.stdout).toContain('read-only, and refused by clients from');
      const root = await move.http.file(HELD, '2.root.json');
      scope.own(await move.serve());
      expect((await move.http.file(HELD, '2.root.json')).body).toEqual(root.body);
      for (const gun of [OWN, HELD]) {
        expect(await quietly(home, 'list', gun)).toContain('v1');
        const refused = await home.notary('add', '-p', gun, 'v2', join(home.folder, 'content'));
        expect(refused.code).not.toBe(0);
        await home.must('reset', gun, '--all');
        await quietly(home, 'key', 'rotate', gun, 'timestamp', '-r');
        await quietly(home, 'key', 'rotate', gun, 'snapshot', '-r');
        await quietly(home, 'add', '-p', gun, 'v2', join(home.folder, 'content'));
        expect(await quietly(home, 'list', gun)).toContain('v2');
      }
    });
  },
);

describeWithClients(
  'notary-server with MariaDB is replaced',
  [...programs, 'mariadbd', 'mariadb-install-db', 'mariadb', 'mariadb-dump'],
  () => {
    const scope = suiteScope();
    let mariadb: Mariadb;

    beforeAll(async () => {
      mariadb = scope.own(await startMariadb());
    });

    it('from dumps of mysqldump, escaped and in hexadecimal: a client with a cache notices nothing', async () => {
      const folder = join(scope.folder(), 'mysql');
      const move = await startNotaryMove(folder, REGISTRY, { mariadb });
      scope.own(move.old);
      const home = await publish(move, join(folder, 'home'));
      const before = await timestampOf(move, HELD);
      const { server, signer } = move.old.databases ?? { server: '', signer: '' };
      const [plain, hex] = [join(folder, 'server.sql'), join(folder, 'signer.sql')];
      writeFileSync(plain, await mariadb.dump(server), 'latin1');
      writeFileSync(
        hex,
        await mariadb.dump(signer, '--hex-blob', '--skip-extended-insert'),
        'latin1',
      );
      const ran = await move.importNotary(['--dump', plain, '--dump', hex]);
      expect(ran.stdout).toContain('2 repositories: 2 imported');
      scope.own(await move.serve());
      expect(await timestampOf(move, HELD)).toEqual(before);
      for (const gun of [OWN, HELD]) {
        expect(await quietly(home, 'list', gun)).toContain('v1');
        await quietly(home, 'add', '-p', gun, 'v2', join(home.folder, 'content'));
      }
    });
  },
);
