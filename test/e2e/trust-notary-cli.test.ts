import { generateKeyPairSync } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { clientPath } from '../support/clients.ts';
import { describeWithClients } from '../support/describe-with-clients.ts';
import { TRUST_PASSPHRASE } from '../support/docker-home.ts';
import { notaryHome } from '../support/notary-home.ts';
import type { NotaryHome } from '../support/notary-home.ts';
import { mustRun } from '../support/run.ts';
import { suiteScope } from '../support/scope.ts';
import { servedFile, signedFile, versionsOf } from '../support/trust-files.ts';
import { trustPath } from '../support/trust-http.ts';
import type { TrustServer } from '../support/trust-server.ts';
import { TRUST_SERVERS, startTrustServer } from '../support/trust-server.ts';
import type { TrustWire } from '../support/trust-wire.ts';
import { partOf, startTrustWire } from '../support/trust-wire.ts';

/** With a port, whose colon stays as it is in paths. */
const REGISTRY = 'registry.example.com:5000';

describeWithClients('the notary client, unmodified', ['notary', 'notary-server', 'openssl'], () => {
  const scope = suiteScope();

  describe.each(TRUST_SERVERS)('against %s', (kind) => {
    let server: TrustServer;
    let wire: TrustWire;
    beforeAll(async () => {
      // The original keeps its keys in memory, and makes Ed25519 keys there.
      const config = ['notary: { keyType: ed25519 }'];
      const options = { registry: REGISTRY, config };
      server = scope.own(await startTrustServer(join(scope.folder(), kind), kind, options));
      wire = scope.own(await startTrustWire(server.authority, () => server.url));
    });

    const at = (name: string): string => `${REGISTRY}/team/${name}`;
    /** A person's folder, with some content to sign in it. */
    const person = (name: string): NotaryHome => {
      const folder = join(scope.folder(), kind, 'people', name);
      mkdirSync(folder, { recursive: true });
      writeFileSync(join(folder, 'ca.pem'), server.authority.ca);
      for (const content of ['one', 'two']) writeFileSync(join(folder, content), content);
      return notaryHome(folder, { url: wire.url, ca: join(folder, 'ca.pem') });
    };
    const listed = async (home: NotaryHome, gun: string): Promise<string[]> =>
      (await home.must('list', gun)).stdout
        .split('\n')
        .slice(2)
        .flatMap((line) => line.split(/\s+/)[0] || []);

    it('every command of its does what it did (items 23, 24)', async () => {
      const gun = at('deeper/app');
      const owner = person('owner');
      wire.fresh();
      await owner.must('init', '-p', gun);
      const [upload] = wire.fresh().filter(({ method }) => method === 'POST');
      expect(upload?.parts.toSorted()).toEqual(['root', 'snapshot', 'targets']);
      // Its own snapshot, not one of the server's: stored as it came.
      const own = upload && partOf(upload, 'snapshot');
      const snapshot = await server.http.file(gun, 'snapshot.json');
      expect(own).toEqual(snapshot.body);
      const version = (await signedFile(server.http, gun, 'snapshot')).version;
      const again = await server.http.file(gun, `${version}.snapshot.json`);
      expect(again.body).toEqual(own);

      await owner.must('add', '-p', gun, '1.0', join(owner.folder, 'one'));
      const hash = 'c0535e4be2b79ffd93291305436bf889314e4a3faec05ecffcbb7df31ad9e51a';
      await owner.must('addhash', '-p', gun, '2.0', '3', '--sha256', hash);
      const reader = person('reader');
      expect(await listed(reader, gun)).toEqual(['1.0', '2.0']);
      expect((await reader.must('lookup', gun, '2.0')).stdout).toBe(`2.0 sha256:${hash} 3\n`);
      const verified = await reader.run(['verify', gun, '1.0'], { input: 'one' });
      expect(verified).toMatchObject({ code: 0, stdout: 'one' });
      expect((await reader.run(['verify', gun, '1.0'], { input: 'two' })).code).toBe(1);

      const before = await versionsOf(server.http, gun);
      await owner.must('witness', '-p', gun, 'targets');
      expect(await versionsOf(server.http, gun)).toEqual({
        root: before.root,
        targets: before.targets + 1,
        snapshot: before.snapshot + 1,
        timestamp: before.timestamp + 1,
      });
      await owner.must('add', gun, '3.0', join(owner.folder, 'two'));
      expect((await owner.must('status', gun)).stdout).toMatch(
        /^0 +create +targets +target +3\.0$/m,
      );
      await owner.must('reset', gun, '--all');
      expect((await owner.must('status', gun)).stdout).toContain('No unpublished changes');
      await owner.must('remove', '-p', gun, '1.0');
      expect(await listed(reader, gun)).toEqual(['2.0']);
      const none = await reader.notary('list', at('never'));
      expect(none.code).toBe(1);
      expect(none.output).toMatch(/^\* fatal: .*does not have trust data for /m);
    });

    it('keys are rotated, one root each, and a reader who stopped at the first follows (item 25)', async () => {
      const gun = at('rotated');
      const owner = person('rotating-owner');
      await owner.must('init', '-p', gun);
      await owner.must('add', '-p', gun, '1.0', join(owner.folder, 'one'));
      const reader = person('stale-reader');
      expect(await listed(reader, gun)).toEqual(['1.0']);
      const rotations = [
        ['targets'],
        ['snapshot'],
        ['snapshot', '-r'],
        ['timestamp', '-r'],
        // Twice, so that the last root is not signed by the first one's key.
        ['root'],
        ['root'],
      ];
      for (const [index, rotation] of rotations.entries()) {
        const rotated = await owner.run(['key', 'rotate', gun, ...rotation], { input: 'yes\n' });
        expect([rotated.code, rotated.output]).toEqual([0, expect.any(String)]);
        expect((await signedFile(server.http, gun, 'root')).version).toBe(index + 2);
      }
      wire.fresh();
      expect(await listed(reader, gun)).toEqual(['1.0']);
      const files = wire.fresh().map(({ path }) => path.slice(trustPath(gun).length));
      expect(files).toEqual(
        expect.arrayContaining(['root.json', ...[2, 3, 4, 5, 6].map((n) => `${n}.root.json`)]),
      );
      // The server signs with the keys that it was rotated to.
      await owner.must('add', '-p', gun, '2.0', join(owner.folder, 'two'));
      expect(await listed(reader, gun)).toEqual(['1.0', '2.0']);
      const root = await signedFile(server.http, gun, 'root');
      for (const role of ['snapshot', 'timestamp']) {
        expect((await signedFile(server.http, gun, role)).signers).toEqual(root.roleKeys(role));
      }
      expect(await listed(person('late-reader'), gun)).toEqual(['1.0', '2.0']);
    });

    it('a deleted repository is gone, is gone twice, and the changefeed ends with it (item 26)', async () => {
      const gun = at('deleted');
      const owner = person('deleting-owner');
      await owner.must('init', '-p', gun);
      await owner.must('delete', gun, '--remote');
      expect(await server.http.file(gun, 'root.json')).toMatchObject({
        status: 404,
        code: 'METADATA_NOT_FOUND',
      });
      expect(await server.http.call('DELETE', trustPath(gun))).toMatchObject({ status: 200 });
      const feed = await server.http.call('GET', `/v2/${gun}/_trust/changefeed?records=100`);
      const changes = JSON.parse(feed.body.toString()) as { records: object[] };
      expect(changes.records.at(-1)).toMatchObject({ GUN: gun, Version: 0, Category: 'deletion' });
    });

    it('Ed25519 server keys, an RSA root and a P-384 delegation work together (item 45)', async () => {
      const gun = at('keys');
      const owner = person('rsa-owner');
      const file = (name: string): string => join(owner.folder, name);
      const openssl = (...args: string[]): Promise<unknown> =>
        mustRun(clientPath('openssl'), args, { cwd: owner.folder });
      const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
      const pem = rsa.privateKey.export({ type: 'pkcs1', format: 'pem' }).toString();
      writeFileSync(file('plain.key'), pem);
      // As notary itself encrypts keys: PBKDF2 with SHA-1.
      const scheme = ['-v2', 'aes-256-cbc', '-v2prf', 'hmacWithSHA1', '-iter', '2048'];
      const secret = ['-passout', `pass:${TRUST_PASSPHRASE}`, '-out', 'sealed.key'];
      await openssl('pkcs8', '-topk8', '-in', 'plain.key', ...scheme, ...secret);
      const [first = '', ...rest] = readFileSync(file('sealed.key'), 'utf8').split('\n');
      writeFileSync(file('root.key'), [first, 'role: root', '', ...rest].join('\n'));
      const extensions = [
        'basicConstraints=critical,CA:FALSE',
        'keyUsage=digitalSignature',
        'extendedKeyUsage=codeSigning',
      ].flatMap((line) => ['-addext', line]);
      const certificate = (key: string, name: string, out: string): Promise<unknown> => {
        const made = ['-x509', '-new', '-key', key, '-sha256', '-days', '3650', '-out', out];
        const subject = ['-subj', `/CN=${name.replaceAll('/', '\\/')}`];
        return openssl('req', ...made, ...subject, ...extensions);
      };
      await certificate('plain.key', gun, 'root.crt');
      const rooted = ['--rootkey', file('root.key'), '--rootcert', file('root.crt')];
      await owner.must('init', '-p', gun, ...rooted);
      await owner.must('key', 'rotate', gun, 'snapshot', '-r');
      const bob = person('p384-signer');
      const p384 = generateKeyPairSync('ec', { namedCurve: 'P-384' });
      const sec1 = p384.privateKey.export({ type: 'sec1', format: 'pem' }).toString();
      writeFileSync(file('bob.key'), sec1);
      await certificate('bob.key', 'bob', 'bob.crt');
      const added = [gun, 'targets/bob', file('bob.crt'), '--all-paths'];
      await owner.must('delegation', 'add', '-p', ...added);
      writeFileSync(join(bob.folder, 'bob.key'), sec1);
      await bob.must('key', 'import', join(bob.folder, 'bob.key'), '--role', 'targets/bob');
      await bob.must('add', '-p', gun, '1.0', join(bob.folder, 'one'), '--roles', 'targets/bob');
      const reader = person('reader-of-all');
      const list = await reader.must('list', gun);
      expect(list.stdout).toMatch(/^1\.0 .* 3 +targets\/bob$/m);
      const root = await signedFile(server.http, gun, 'root');
      const types = ['root', 'snapshot', 'timestamp'].map(
        (role) => (root.keyOf(root.roleKeys(role)[0]) as { keytype: string }).keytype,
      );
      expect(types).toEqual(['rsa-x509', 'ed25519', 'ed25519']);
      const served = await server.http.file(gun, 'targets/bob.json');
      expect(servedFile(served.body).version).toBeGreaterThan(0);
    });
  });
});
