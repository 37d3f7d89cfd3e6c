import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { fileSigner } from '../../src/keys/signers/file.ts';
import { sha256Hex } from '../../src/lib/bytes.ts';
import { unwrap } from '../../src/lib/result.ts';
import { parseRepository } from '../../src/oci/reference.ts';
import { loadTrust } from '../../src/trust/dct/load.ts';
import { rotateServerKeys } from '../../src/trust/dct/rotate.ts';
import { lookUpTag } from '../../src/tuf/lookup.ts';
import { rootCertificateKey } from '../../src/tuf/root-certificate.ts';
import type { ImportWorld } from '../support/import-world.ts';
import { DAY, firstOf, importSuite, makeImportWorld, REPOSITORY } from '../support/import-world.ts';
import { makeOwnHand, postgresDump } from '../support/notary-dump.ts';
import { suiteScope } from '../support/scope.ts';
import type { TrustServer } from '../support/trust-server.ts';
import { startTrustServer } from '../support/trust-server.ts';
import { openSession, SESSION_PASSPHRASE } from '../support/trust-session.ts';
import { GUN, makeHand, makeRepository, NOW, resign } from '../support/tuf.ts';

const LATER = new Date(NOW.getTime() + 60 * DAY);

describe('a repository whose timestamp has ended', () => {
  const { withStore, importDump } = importSuite();
  let world: ImportWorld;
  let dump: string;
  beforeAll(async () => {
    world = await makeImportWorld();
    dump = postgresDump({ ...world.dumped, keys: [] });
  });

  it('is taken over without its keys only where somebody says so, and the report says that it had', async () => {
    await withStore(async (store) => {
      const refused = firstOf(await importDump(store, dump, { now: LATER }));
      expect(refused).toMatchObject({ outcome: 'refused', files: 0 });
      expect(refused.reason).toMatch(/timestamp ended on 2026-12-06, .*--expired-timestamp takes/);
      expect(await store.trustRepositories(null)).toEqual([]);
      const asked = { now: LATER, expiredTimestamps: true };
      const taken = firstOf(await importDump(store, dump, asked));
      expect(taken).toMatchObject({ outcome: 'imported', readOnlyFrom: '2026-12-06' });
      expect(taken.notes.join()).toContain('nothing says that its tags are the newest');
      const again = firstOf(await importDump(store, dump, { now: LATER }));
      expect(again.outcome).toBe('unchanged');
    });
  });

  it('needs no word of anybody where its key comes along', async () => {
    await withStore(async (store) => {
      const report = firstOf(await importDump(store, postgresDump(world.dumped), { now: LATER }));
      expect(report).toMatchObject({ outcome: 'imported', readOnlyFrom: null });
    });
  });

  it('is refused all the same for a signature by another key', async () => {
    const bytes = await resign(world.made.files.get('timestamp') ?? Buffer.of(), {}, [
      await makeHand('ecdsa-p256'),
    ]);
    const files = world.dumped.files.map((file) =>
      file.role === 'timestamp' ? { ...file, bytes, sha256: sha256Hex(bytes) } : file,
    );
    await withStore(async (store) => {
      const asked = { now: LATER, expiredTimestamps: true };
      const report = firstOf(await importDump(store, postgresDump({ files }), asked));
      expect(report).toMatchObject({ outcome: 'refused', files: 0 });
      expect(await store.trustPin(REPOSITORY)).toBeNull();
    });
  });
});

describe('the owner of a repository of a server that is gone', () => {
  const scope = suiteScope();
  const gun = unwrap(parseRepository(GUN));
  const since = new Date(Date.now() - 100 * DAY);
  let server: TrustServer;
  beforeAll(async () => {
    server = scope.own(
      await startTrustServer(scope.folder(), 'countersign', { registry: 'registry.example.com' }),
    );
  });

  it('gives this one its keys, and what was signed there holds here', async () => {
    const session = openSession(join(scope.folder(), 'owner'), server.url, 'registry.example.com');
    scope.own({ stop: () => session.server.close() });
    const own = await makeOwnHand();
    const key = unwrap(await rootCertificateKey(GUN, own.signer, since));
    await session.keys.addForRepository(
      own.privateKey,
      { role: 'root', gun: null },
      SESSION_PASSPHRASE,
    );
    const hands = {
      root: { keyid: key.id, signer: fileSigner(own.privateKey), key },
      targets: await makeHand('ecdsa-p256'),
      alice: await makeHand('ecdsa-p256'),
      timestamp: await makeHand('ecdsa-p256'),
      snapshot: await makeHand('ecdsa-p256'),
    };
    const made = await makeRepository({ hands, now: since });
    const files = [...made.files].map(([role, bytes]) => ({ gun: GUN, role, version: 1, bytes }));
    const dump = join(scope.folder(), 'gone.sql');
    writeFileSync(dump, postgresDump({ files }));
    const { ours } = server;
    if (ours === null) throw new Error('expected our own server');
    await ours.service.stop();
    const config = join(ours.site.folder, 'import.yaml');
    writeFileSync(config, 'registries: [{ host: registry.example.com, upstream: embedded }]\n');
    const importing = ['import', 'notary', '--dump', dump, '--expired-timestamp'];
    const into = ['--config', config, '--data', join(ours.site.folder, 'service-data')];
    const ran = await ours.site.cli([...importing, ...into]);
    expect(ran.stdout).toContain(`${GUN}: imported`);
    await ours.again({});

    // Nobody else takes it for fresh: neither clients nor, unasked, its owner.
    expect(await loadTrust(session, gun)).toMatchObject({ kind: 'refused' });
    await expect(rotateServerKeys(session, gun, ['timestamp', 'snapshot'])).rejects.toThrow(
      `countersign root rotate --server-keys --expired-timestamp ${GUN}`,
    );
    await rotateServerKeys(session, gun, ['timestamp', 'snapshot'], { expiredTimestamp: true });
    const loaded = await loadTrust(session, gun);
    if (loaded.kind !== 'trusted') throw new Error(JSON.stringify(loaded));
    expect(loaded.repository.root.version).toBe(2);
    expect(lookUpTag(loaded.repository.tree, 'new')).toMatchObject({ kind: 'signed' });
  });
});
