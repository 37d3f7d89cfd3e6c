import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { unwrap } from '../../src/lib/result.ts';
import { parseEnvelope } from '../../src/tuf/envelope.ts';
import { inRole, lookUpByRoles, lookUpTag } from '../../src/tuf/lookup.ts';
import { canonicalKeyId } from '../../src/tuf/public-key.ts';
import { verifyRepository } from '../../src/tuf/repository.ts';
import { rootCertificateExpiry } from '../../src/tuf/root-certificates.ts';
import { followRoots, verifyRoot } from '../../src/tuf/root-trust.ts';
import { parseRoot } from '../../src/tuf/root.ts';
import { validateUpdate } from '../../src/tuf/update.ts';

const VECTORS = join(import.meta.dirname, '../vectors/tuf');
const NOW = new Date('2026-11-22T12:00:00Z');
const read = (...path: string[]): Buffer => readFileSync(join(VECTORS, ...path));

/** The files of a folder by role name. */
function filesOf(folder: string): Map<string, Buffer> {
  return new Map(
    readdirSync(join(VECTORS, folder)).map((file) => [
      file.replace(/\.json$/, '').replace('.', '/'),
      read(folder, file),
    ]),
  );
}

function repositoryOf(
  folder: string,
  gun: string,
  root: Buffer,
): ReturnType<typeof verifyRepository> {
  const trusted = unwrap(verifyRoot(root, { gun, now: NOW, expiry: 'required' }));
  return verifyRepository({
    gun,
    now: NOW,
    root: trusted,
    files: filesOf(folder),
    seen: new Map(),
  });
}

describe('what docker and notary wrote', () => {
  it.each(['notary-rotated', 'notary-client-snapshot', 'docker-signers'])(
    'the canonical form of what %s signs is the very text in the file',
    (folder) => {
      for (const bytes of filesOf(folder).values()) {
        const { message } = unwrap(parseEnvelope(bytes));
        expect(bytes.toString()).toMatch('{"signed":');
        expect(bytes.subarray(10, 10 + message.length).equals(message)).toBe(true);
      }
    },
  );

  it("docker's repository with two signers verifies, and its tag is looked up as docker does", () => {
    const gun = 'registry.example.com/team/signed';
    const { tree, versions, expires } = unwrap(
      repositoryOf('docker-signers', gun, read('docker-signers/root.json')),
    );
    expect([...tree.roles.keys()].toSorted()).toEqual([
      'targets',
      'targets/alice',
      'targets/bob',
      'targets/releases',
    ]);
    expect(tree.unreadable.size).toBe(0);
    const digest = 'sha256:3e23e8160039594a33894f6564e1b1348bbd7a0088d42c4acb73eeaed59c009d';
    const entry = { role: 'targets/releases', digest, length: 528, custom: null };
    expect(lookUpTag(tree, '1.0')).toEqual({ kind: 'signed', entry });
    expect(lookUpTag(tree, '2.0')).toEqual({ kind: 'absent' });
    expect(inRole(tree, 'targets/bob', '1.0')).toMatchObject({ entry: { digest } });
    expect(lookUpByRoles(tree, '1.0', ['targets/alice', 'targets/bob']).conflict).toBe(false);
    expect(versions.get('timestamp')).toBe(5);
    expect(expires.toISOString()).toBe('2026-12-05T08:10:04.335Z');
    // The ids that `docker trust inspect` printed.
    const signers = tree.roles
      .get('targets')
      ?.delegations.filter(({ name }) => name !== 'targets/releases');
    expect(signers?.flatMap(({ keys }) => [...keys.values()].map(canonicalKeyId))).toEqual([
      '1913abbdba21f973052a0fa5633db7d683b780c8b673e3c3e0d5a90fb18437ad',
      'ef1a43c7d7d61b5bcf903b99ff46b89f9686d9280e730c89fde5ac44e75fb566',
    ]);
    const root = unwrap(parseRoot(unwrap(parseEnvelope(read('docker-signers/root.json')))));
    expect([...root.roles.root.keys.keys()]).toEqual([
      '00e94703af1484e6cfaad348b03a1f28bc0bfdf469a1bedd664844be99ce9232',
    ]);
    expect(rootCertificateExpiry(root)?.toISOString()).toBe('2036-11-18T08:10:04.000Z');
  });

  it("a client follows notary's root rotations one by one, and not past a gap", () => {
    const gun = 'registry.example.com/team/app';
    const [first, ...later] = [1, 2, 3, 4].map((version) =>
      read('notary-rotated', `${version}.root.json`),
    );
    const trusted = unwrap(verifyRoot(first as Buffer, { gun, now: NOW, expiry: 'required' }));
    const newest = unwrap(followRoots(trusted, later, { gun, now: NOW }));
    expect(newest.version).toBe(4);
    const files = filesOf('notary-rotated');
    const { tree } = unwrap(
      verifyRepository({ gun, now: NOW, root: newest, files, seen: new Map() }),
    );
    expect(lookUpTag(tree, '2.0')).toMatchObject({ kind: 'signed', entry: { role: 'targets' } });
    expect(followRoots(trusted, later.slice(1), { gun, now: NOW })).toMatchObject({ ok: false });
    expect(
      followRoots(trusted, [later[0] as Buffer, first as Buffer], { gun, now: NOW }),
    ).toMatchObject({
      refusal: { code: 'TRUST_DATA_ROLLBACK' },
    });
    const late = { gun, now: new Date('2037-01-01T00:00:00Z') };
    expect(followRoots(trusted, later, late)).toMatchObject({
      refusal: {
        message:
          'could not validate the path to a trusted root: unable to retrieve valid leaf certificates',
      },
    });
  });

  it("notary's first publish with its own snapshot is accepted, and only the timestamp is left to make", () => {
    const gun = 'registry.example.com/team/client';
    const files = filesOf('notary-client-snapshot');
    const parts = ['root', 'targets', 'snapshot'].map((role) => ({
      role,
      bytes: files.get(role) as Buffer,
    }));
    const root = unwrap(parseRoot(unwrap(parseEnvelope(files.get('root') as Buffer))));
    const serverKeys = new Set(root.roles.timestamp.keys.keys());
    const accepted = validateUpdate({ gun, now: NOW, parts, stored: new Map(), serverKeys });
    expect(accepted).toMatchObject({
      ok: true,
      value: {
        files: [
          { role: 'root', version: 1 },
          { role: 'targets', version: 2 },
          { role: 'snapshot', version: 2 },
        ],
        server: { snapshot: { kind: 'kept' }, timestamp: { version: 1 } },
      },
    });
    expect(repositoryOf('notary-client-snapshot', gun, files.get('root') as Buffer).ok).toBe(true);
  });

  it('replayed to another repository, a root has no certificate for it', () => {
    const bytes = read('docker-signers/root.json');
    const verified = verifyRoot(bytes, {
      gun: 'registry.example.com/team/other',
      now: NOW,
      expiry: 'required',
    });
    expect(verified).toMatchObject({
      refusal: {
        message: expect.stringMatching(/unable to retrieve valid leaf certificates/) as string,
      },
    });
  });
});
