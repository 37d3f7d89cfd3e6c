import { setTimeout as sleep } from 'node:timers/promises';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { sha256Hex } from '../../src/lib/bytes.ts';
import { buildSnapshot, buildTargets } from '../../src/tuf/build-files.ts';
import { fileMetaOf } from '../../src/tuf/file-meta.ts';
import { lifetime } from '../../src/tuf/lifetime.ts';
import { describeWithClients } from '../support/describe-with-clients.ts';
import type { NotaryHome } from '../support/notary-home.ts';
import { notaryHome } from '../support/notary-home.ts';
import { startPostgres } from '../support/postgres.ts';
import { suiteScope } from '../support/scope.ts';
import type { ServedFile } from '../support/trust-files.ts';
import { servedFile, signedFile, versionsOf } from '../support/trust-files.ts';
import type { TrustAnswer, TrustHttp } from '../support/trust-http.ts';
import { multipart, trustPath } from '../support/trust-http.ts';
import type { Publisher } from '../support/trust-publisher.ts';
import { makePublisher } from '../support/trust-publisher.ts';
import type { TrustServer } from '../support/trust-server.ts';
import { TRUST_SERVERS, startTrustServer } from '../support/trust-server.ts';
import { makeHand, resign, roleOf, tag } from '../support/tuf.ts';

const REGISTRY = 'registry.example.com:5000';

/** A refused update, in the words that clients print. */
const fault = (Name: string, Msg: unknown): object => ({
  status: 400,
  code: 'INVALID_UPDATE',
  detail: { Name, Error: { Msg } },
});
const OLDER = { status: 400, code: 'VERSION', detail: {} };

describeWithClients(
  'what a Notary v1 server answers',
  ['notary', 'notary-server', 'notary-signer', 'postgres'],
  () => {
    const scope = suiteScope();

    describe.each(TRUST_SERVERS)('%s', (kind) => {
      const original = kind === 'notary-server';
      let server: TrustServer;
      let http: TrustHttp;
      beforeAll(async () => {
        const postgres = original ? { postgres: scope.own(await startPostgres()) } : {};
        server = scope.own(
          await startTrustServer(join(scope.folder(), kind), kind, {
            registry: REGISTRY,
            prefixes: [`${REGISTRY}/`],
            ...postgres,
          }),
        );
        ({ http } = server);
      });

      const at = (name: string): string => `${REGISTRY}/team/${name}`;
      /** A repository that was published once, with one tag. */
      const published = async (name: string): Promise<Publisher> => {
        const publisher = await makePublisher(http, at(name));
        const answer = await http.publish(at(name), await publisher.first({ '1': tag('one') }));
        expect([answer.status, answer.body.toString()]).toEqual([200, '']);
        return publisher;
      };
      const person = (name: string): NotaryHome => {
        const folder = join(scope.folder(), kind, 'people', name);
        mkdirSync(folder, { recursive: true });
        writeFileSync(join(folder, 'ca.pem'), server.authority.ca);
        return notaryHome(folder, { url: server.url, ca: join(folder, 'ca.pem') });
      };
      /** The length that an answer says; the original says none of what is more than 2 KiB. */
      const lengthOf = ({ headers, body }: TrustAnswer): number =>
        original && headers['content-length'] === undefined
          ? body.length
          : Number(headers['content-length']);
      const changes = async (query: string, gun?: string): Promise<TrustAnswer> =>
        http.call('GET', `/v2/${gun === undefined ? '' : `${gun}/`}_trust/changefeed?${query}`);

      it('answers the ping and the health check (item 1)', async () => {
        for (const path of ['/v2/', '/_notary_server/health']) {
          const answer = await http.call('GET', path);
          expect([answer.status, answer.body.toString()]).toEqual([200, '{}']);
        }
      });

      it('a publish that was there before is refused, here and for another repository (items 27, 28)', async () => {
        const publisher = await published('replayed');
        const first = await publisher.first({ '1': tag('one') });
        expect(await http.publish(publisher.gun, first)).toMatchObject(OLDER);
        const targets = await publisher.targets(2);
        expect((await http.publish(publisher.gun, [['targets', targets]])).status).toBe(200);
        expect(await http.publish(publisher.gun, [['targets', targets]])).toMatchObject(OLDER);
        const message =
          'could not validate the path to a trusted root: unable to retrieve valid leaf certificates';
        const elsewhere = await http.publish(at('replayed-elsewhere'), first);
        expect(elsewhere).toMatchObject(fault('ErrBadRoot', message));
        expect((await http.file(at('replayed-elsewhere'), 'root.json')).status).toBe(404);
      });

      it('bad roots, targets and snapshots are refused by name, and nothing is stored (items 29 to 32)', async () => {
        const publisher = await published('refused');
        const { gun, hands, serverKeys } = publisher;
        const before = await versionsOf(http, gun);
        const refused = async (
          parts: readonly (readonly [string, Buffer])[],
          expected: object,
        ): Promise<void> => {
          const answer = await http.publish(gun, parts);
          expect(answer).toMatchObject(expected);
          // Clients read 1024 bytes of an error, and know what to do with exactly one.
          expect(answer.body.length).toBeLessThan(1024);
          expect((JSON.parse(answer.body.toString()) as { errors: object[] }).errors).toHaveLength(
            1,
          );
        };
        await refused(
          [['root', await publisher.root(4)]],
          fault('ErrBadRoot', 'Root modifications must increment the version. Current 1, new 4'),
        );
        const stranger = await makeHand('ecdsa-p256', { gun, now: new Date() });
        const foreign = await resign(await publisher.root(2), {}, [stranger]);
        await refused([['root', foreign]], fault('ErrBadRoot', expect.any(String)));
        const targets = await publisher.targets(2, { '1': tag('two') });
        const flipped = Buffer.from(targets.toString().replace('"length":3', '"length":4'));
        expect(flipped).not.toEqual(targets);
        const unsigned = 'valid signatures did not meet threshold for targets';
        await refused([['targets', flipped]], fault('ErrBadTargets', unsigned));
        const wrong = await resign(targets, {}, [stranger]);
        await refused([['targets', wrong]], fault('ErrBadTargets', unsigned));
        const expired = await publisher.targets(2, {}, { expires: new Date('2020-01-01') });
        await refused(
          [['targets', expired]],
          fault('ErrBadTargets', expect.stringMatching(/expired/)),
        );
        // A repository whose snapshots its owner signs.
        const owner = await makeHand('ecdsa-p256');
        const mine = await makePublisher(http, at('refused-snapshot'));
        const roles = { snapshot: roleOf('snapshot', [owner]) };
        const root = await mine.root(1, { roles });
        const own = await mine.targets(1);
        const other = await mine.targets(1, { '1': tag('other') });
        const meta = new Map([
          ['root', fileMetaOf(root)],
          ['targets', fileMetaOf(other)],
        ]);
        const expires = lifetime('snapshot', new Date());
        const snapshot = await buildSnapshot(meta, { version: 1, expires, signers: [owner] });
        const parts = [
          ['root', root],
          ['targets', own],
          ['snapshot', snapshot],
        ] as const;
        expect(await http.publish(mine.gun, parts)).toMatchObject(
          fault('ErrBadSnapshot', expect.any(String)),
        );
        expect((await http.file(mine.gun, 'root.json')).status).toBe(404);
        const rootless = await makePublisher(http, at('rootless'));
        expect(
          await http.publish(rootless.gun, [['targets', await rootless.targets(1)]]),
        ).toMatchObject(
          fault('ErrValidation', 'no pre-existing root and no root provided in update.'),
        );
        expect(await versionsOf(http, gun)).toEqual(before);
        expect(hands.root.keyid).not.toBe(serverKeys.snapshot.id);
      });

      it('uploads that are none are told what they are (item 33)', async () => {
        const gun = at('uploads');
        const send = (body: Buffer | string, type: string): Promise<TrustAnswer> =>
          http.call('POST', trustPath(gun), { headers: { 'content-type': type }, body });
        const form = (role: string, content: string): Promise<TrustAnswer> => {
          const { body, type } = multipart([[role, Buffer.from(content)]]);
          return send(body, type);
        };
        const refused = (code: string, detail?: unknown): object => ({
          status: 400,
          code,
          ...(detail === undefined ? {} : { detail }),
        });
        expect(await send('{}', 'application/json')).toMatchObject(refused('MALFORMED_UPLOAD'));
        const nameless = multipart([['root', Buffer.from('{}')]]);
        const without = nameless.body.toString().replace('; filename="root"', '');
        expect(await send(without, nameless.type)).toMatchObject(refused('NO_FILENAME'));
        expect(await form('bogus', '{}')).toMatchObject(refused('INVALID_ROLE', 'bogus'));
        expect(await form('targets/Upper', '{}')).toMatchObject(
          refused('INVALID_ROLE', 'targets/Upper'),
        );
        expect(await form('root', 'not JSON')).toMatchObject(refused('MALFORMED_JSON'));
        expect(await form('root', '{"signed":{"_type"')).toMatchObject(refused('MALFORMED_JSON'));
        // Members that are missing the original finds when it validates.
        for (const content of ['{}', '{"signed":{}}']) {
          const code = original ? 'INVALID_UPDATE' : 'MALFORMED_JSON';
          expect(await form('root', content)).toMatchObject(refused(code));
        }
        const types = { 'content-type': expect.stringContaining('application/json') as string };
        expect((await form('root', 'not JSON')).headers).toMatchObject(types);
      });

      // The original's clock is not ours to set: dct-protocol 2.6 has what was seen there.
      it.skipIf(original)(
        'what has expired is signed again when it is read, once (item 34)',
        async () => {
          const publisher = await published('expired');
          const ids = async (): Promise<number> => {
            const feed = await changes('records=100', publisher.gun);
            return (JSON.parse(feed.body.toString()) as { count: number }).count;
          };
          expect(await ids()).toBe(1);
          const days = 15;
          const clock = join(scope.folder(), 'clock.mjs');
          writeFileSync(clock, clockAhead(days));
          await server.ours?.again({ NODE_OPTIONS: `--import ${clock}` });
          const read = await Promise.all(
            Array.from({ length: 8 }, () => signedFile(http, publisher.gun, 'timestamp')),
          );
          await server.ours?.again({});
          expect(new Set(read.map(({ bytes }) => sha256Hex(bytes))).size).toBe(1);
          expect(read[0]?.version).toBe(2);
          const left = ((read[0]?.expires.getTime() ?? 0) - Date.now()) / 86_400_000;
          expect(Math.round(left)).toBe(days + 14);
          expect(await ids()).toBe(2);
          expect((await signedFile(http, publisher.gun, 'snapshot')).version).toBe(1);
        },
      );

      it('of publishes at once on one base one wins, and the others are told so (item 35)', async () => {
        const publisher = await published('raced');
        // What PostgreSQL says of a lost race the original passes on as a failure of its own.
        const lost = original ? /^(?:400 VERSION|500 UPDATING)$/ : /^400 VERSION$/;
        for (const version of [2, 3, 4]) {
          const files = await Promise.all(
            Array.from({ length: 8 }, (_, n) =>
              publisher.targets(version, { [`${version}-${n}`]: tag(`${n}`) }),
            ),
          );
          const answers = await Promise.all(
            files.map((file) => http.publish(publisher.gun, [['targets', file]])),
          );
          const said = answers.map(({ status, code }) => `${status} ${code}`).toSorted();
          expect(said[0]).toBe('200 undefined');
          for (const one of said.slice(1)) expect(one).toMatch(lost);
          // No half of a publish: the files fit each other.
          const { targets, snapshot } = await consistent(http, publisher.gun);
          expect(targets.version).toBe(version);
          expect(snapshot.version).toBe(version);
          const winner = answers.findIndex(({ status }) => status === 200);
          expect(targets.bytes).toEqual(files[winner]);
        }
      });

      it('every file that ever was stays there by hash and by version, with its cache headers (item 36)', async () => {
        const publisher = await published('kept');
        const { gun } = publisher;
        const first = await signedFile(http, gun, 'targets');
        const targets = await publisher.targets(2, { '2': tag('two') });
        await http.publish(gun, [['targets', targets]]);
        for (const role of ['root', 'targets', 'snapshot', 'timestamp']) {
          const current = await http.file(gun, `${role}.json`);
          expect(current.headers['cache-control']).toBe(
            'public, max-age=300, s-maxage=300, must-revalidate',
          );
          expect(current.headers['last-modified']).toMatch(
            /^[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} /,
          );
          expect(current.headers['etag']).toBeUndefined();
          expect(lengthOf(current)).toBe(current.body.length);
          const hash = sha256Hex(current.body);
          const { version } = servedFile(current.body);
          for (const name of [`${role}.${hash}.json`, `${version}.${role}.json`]) {
            const kept = await http.file(gun, name);
            expect(kept.body).toEqual(current.body);
            expect(kept.headers['cache-control']).toBe('public, max-age=2592000, s-maxage=2592000');
          }
        }
        expect((await http.file(gun, '1.targets.json')).body).toEqual(first.bytes);
        const hashed = await http.file(gun, `targets.${sha256Hex(first.bytes)}.json`);
        expect(hashed.body).toEqual(first.bytes);
        for (const name of [
          '9.targets.json',
          `targets.${'0'.repeat(64)}.json`,
          `targets.${sha256Hex(first.bytes).toUpperCase()}.json`,
          'nothing.json',
        ]) {
          const answer = await http.file(gun, name);
          expect([name, answer.status, answer.code]).toEqual([name, 404, 'METADATA_NOT_FOUND']);
          expect(answer.headers['cache-control'] ?? '').not.toContain('public');
        }
        // The original has a role that nothing lists for its own failure, and takes version 0 for the first.
        expect(await http.file(gun, 'targets/none.json')).toMatchObject({
          status: original ? 500 : 404,
        });
        expect(await http.file(gun, '0.targets.json')).toMatchObject({
          status: original ? 200 : 404,
        });
        expect((await http.file(at('never'), 'root.json')).status).toBe(404);
      });

      it('the changefeed tells every change once, in order (item 43)', async () => {
        const [one, two] = [await published('feed-one'), await published('feed-two')];
        for (const version of [2, 3, 4]) {
          await http.publish(one.gun, [['targets', await one.targets(version)]]);
        }
        interface Change {
          readonly ID: string;
          readonly GUN: string;
          readonly Version: number;
          readonly SHA256: string;
          readonly Category: string;
        }
        const read = async (query: string, gun?: string): Promise<readonly Change[]> => {
          const answer = await changes(query, gun);
          const feed = JSON.parse(answer.body.toString()) as { count: number; records: Change[] };
          expect([answer.status, feed.count]).toEqual([200, feed.records.length]);
          return feed.records;
        };
        const all = await read('records=10', one.gun);
        expect(all.map(({ Version }) => Version)).toEqual([1, 2, 3, 4]);
        expect(all.map(({ GUN, Category }) => [GUN, Category])).toEqual(
          all.map(() => [one.gun, 'update']),
        );
        const current = await http.file(one.gun, 'timestamp.json');
        expect(all.at(-1)?.SHA256).toBe(sha256Hex(current.body));
        const ids = all.map(({ ID }) => Number(ID));
        expect(ids).toEqual(ids.toSorted((a, b) => a - b));
        expect(new Set(ids).size).toBe(ids.length);
        expect(typeof all[0]?.ID).toBe('string');
        const versions = async (query: string): Promise<number[]> =>
          (await read(query, one.gun)).map(({ Version }) => Version);
        expect(await versions(`records=2&change_id=${ids[0]}`)).toEqual([2, 3]);
        expect(await versions('records=2&change_id=0')).toEqual([1, 2]);
        expect(await versions('records=2&change_id=')).toEqual([1, 2]);
        expect(await versions(`records=-2&change_id=${ids[3]}`)).toEqual([2, 3]);
        expect(await versions('records=-3')).toEqual([2, 3, 4]);
        expect(await versions('records=2&change_id=-1')).toEqual([3, 4]);
        const everybody = await read('records=0');
        expect(everybody.map(({ GUN }) => GUN)).toEqual(
          expect.arrayContaining([one.gun, two.gun]) as string[],
        );
        for (const query of ['', 'records=', 'records=many', 'records=1&change_id=x']) {
          expect(await changes(query)).toMatchObject({ status: 400, code: 'INVALID_PARAMETERS' });
        }
        await http.call('DELETE', trustPath(two.gun));
        expect((await read('records=-1')).at(-1)).toMatchObject({
          GUN: two.gun,
          Version: 0,
          Category: 'deletion',
        });
      });

      it('a repository of a name that is not served here is neither published nor found (item 46)', async () => {
        const gun = 'other.example.com/team/app';
        const publisher = await makePublisher(http, at('prefixed'));
        const parts = await publisher.first();
        const answer = await http.publish(gun, parts);
        expect(answer).toMatchObject({ status: 400, code: 'INVALID_GUN' });
        for (const name of ['root.json', 'timestamp.key']) {
          expect((await http.file(gun, name)).status).toBe(404);
        }
      });

      it('after a deletion and a new beginning a reader who knew the old one is warned (item 42)', async () => {
        const old = await published('begun-again');
        const [cached, fresh] = [person('cached'), person('fresh')];
        await cached.must('list', old.gun);
        expect((await http.call('DELETE', trustPath(old.gun))).status).toBe(200);
        const again = await makePublisher(http, old.gun);
        const parts = await again.first({ '2': tag('two') });
        expect((await http.publish(old.gun, parts)).status).toBe(200);
        const warned = await cached.notary('list', old.gun);
        expect(warned.code).toBe(1);
        expect(warned.output).toContain(
          'could not rotate trust to a new trusted root: failed to validate data with current trusted certificates',
        );
        expect((await fresh.must('list', old.gun)).stdout).toMatch(/^2 /m);
      });

      it('what is read by role alone is one state, also while somebody publishes (item 49)', async () => {
        const publisher = await published('read');
        const releases = await makeHand('ecdsa-p256');
        const delegations = [{ ...roleOf('targets/releases', [releases]), paths: [''] }];
        const publish = async (version: number): Promise<void> => {
          const expires = lifetime('targets', new Date());
          const targets = new Map([[`${version}`, tag(`${version}`)]]);
          const answer = await http.publish(publisher.gun, [
            ['targets', await publisher.targets(version, {}, { delegations })],
            [
              'targets/releases',
              await buildTargets(
                { targets, delegations: [] },
                { version, expires, signers: [releases] },
              ),
            ],
          ]);
          expect(answer.status).toBe(200);
        };
        await publish(2);
        let done = false;
        const writer = (async () => {
          for (let version = 3; version <= 30; version++) {
            await publish(version);
            // Slower and slower, so that a reader on a busy machine gets through between two of them.
            await sleep(5 * version);
          }
          done = true;
        })();
        let seen = 0;
        do {
          if ((await stableRead(http, publisher.gun)) !== null) seen += 1;
        } while (!done);
        await writer;
        const last = await stableRead(http, publisher.gun);
        expect(last?.get('targets/releases')?.version).toBe(30);
        expect(seen).toBeGreaterThan(0);
      });

      it('a repository of many tags and delegations is listed (item 50)', async () => {
        const publisher = await makePublisher(http, at('many'));
        const names = Array.from({ length: 1500 }, (_, n) => `v${n}`);
        const tags = Object.fromEntries(names.map((name) => [name, tag(name)]));
        const hands = await Promise.all(Array.from({ length: 24 }, () => makeHand('ecdsa-p256')));
        const delegations = hands.map((hand, n) => ({
          ...roleOf(`targets/team-${n}`, [hand]),
          paths: [''],
        }));
        const expires = lifetime('targets', new Date());
        const below = await Promise.all(
          hands.map(async (hand, n) => {
            const targets = new Map([[`team-${n}`, tag(`team-${n}`)]]);
            const file = { version: 1, expires, signers: [hand] };
            const bytes = await buildTargets({ targets, delegations: [] }, file);
            return [`targets/team-${n}`, bytes] as const;
          }),
        );
        const answer = await http.publish(publisher.gun, [
          ['root', await publisher.root()],
          ['targets', await publisher.targets(1, tags, { delegations })],
          ...below,
        ]);
        expect([answer.status, answer.body.toString()]).toEqual([200, '']);
        const { stdout } = await person('counting').must('list', publisher.gun);
        const rows = stdout.split('\n').map((line) => line.split(/\s+/)[0]);
        for (const name of [...names, ...hands.map((_, n) => `team-${n}`)]) {
          expect(rows).toContain(name);
        }
        const file = await http.file(publisher.gun, 'targets.json');
        expect(lengthOf(file)).toBe(file.body.length);
        const zipped = await http.call('GET', trustPath(publisher.gun, 'targets.json'), {
          headers: { 'accept-encoding': 'gzip' },
        });
        expect(lengthOf(zipped)).toBe(zipped.body.length);
      });
    });
  },
);

/** A module that sets a process's clock ahead. */
const clockAhead = (days: number): string => `const Real = Date;
const ahead = ${days} * 86_400_000;
globalThis.Date = class extends Real {
  constructor(...given) {
    if (given.length === 0) super(Real.now() + ahead);
    else super(...given);
  }
  static now() {
    return Real.now() + ahead;
  }
};
`;

/** The four files as they are now, which nobody changes meanwhile; throws where they do not fit each other. */
async function consistent(
  http: TrustHttp,
  gun: string,
): Promise<Readonly<Record<'root' | 'targets' | 'snapshot', ServedFile>>> {
  const files = await stableRead(http, gun);
  const [root, targets, snapshot] = ['root', 'targets', 'snapshot'].map((role) => files?.get(role));
  if (root === undefined || targets === undefined || snapshot === undefined) {
    throw new Error('expected files that nobody changes');
  }
  return { root, targets, snapshot };
}

/** Reads everything by role alone, as Connaisseur does; `null` where somebody published in the middle. Throws where files do not fit. */
async function stableRead(
  http: TrustHttp,
  gun: string,
): Promise<ReadonlyMap<string, ServedFile> | null> {
  const before = await signedFile(http, gun, 'timestamp');
  const files = new Map([['snapshot', await signedFile(http, gun, 'snapshot')]]);
  const roles = files.get('snapshot')?.roles() ?? [];
  for (const role of roles) files.set(role, await signedFile(http, gun, role));
  const after = await signedFile(http, gun, 'timestamp');
  if (!before.bytes.equals(after.bytes)) return null;
  for (const [role, file] of files) {
    const listed = role === 'snapshot' ? after.listed(role) : files.get('snapshot')?.listed(role);
    if (listed !== sha256Hex(file.bytes)) throw new Error(`${role} is not the one that is listed`);
  }
  return files;
}
