import { beforeAll, describe, expect, it } from 'vitest';
import { checkRepository } from '../../src/import/repository-check.ts';
import type { SignedHistory } from '../../src/import/past-entries.ts';
import { signedHistory } from '../../src/import/past-entries.ts';
import type { SourceFile } from '../../src/import/source.ts';
import { ok, unwrap } from '../../src/lib/result.ts';
import { trustDataOf } from '../../src/notary/evidence.ts';
import { verifyDct } from '../../src/trust/dct/verify.ts';
import { REPOSITORY as OWNERS } from '../../src/trust/format.ts';
import { MemoryEvidence } from '../support/evidence.ts';
import type { Digest } from '../../src/oci/digest.ts';
import { digestOf } from '../../src/oci/digest.ts';
import type { ImportedEntry } from '../../src/store/trust-data.ts';
import {
  buildRoot,
  buildSnapshot,
  buildTargets,
  buildTimestamp,
} from '../../src/tuf/build-files.ts';
import { fileMetaOf } from '../../src/tuf/file-meta.ts';
import { lifetime } from '../../src/tuf/lifetime.ts';
import { DAY, firstOf, importSuite, REPOSITORY } from '../support/import-world.ts';
import { postgresDump } from '../support/notary-dump.ts';
import type { Hand } from '../support/tuf.ts';
import { GUN, makeHand, NOW, roleOf, tag } from '../support/tuf.ts';

const LATER = new Date(NOW.getTime() + 10 * DAY);

/** A repository that goes on, as a server keeps it: a publish is a new version of what it changes, and what stands over it. */
class Growing {
  readonly files: SourceFile[] = [];
  #versions = new Map<string, number>();
  #newest = new Map<string, Buffer>();
  readonly #hands: Readonly<Record<'snapshot' | 'timestamp', Hand>>;

  constructor(hands: Growing['hands']) {
    this.#hands = hands;
  }

  get hands(): Readonly<Record<'snapshot' | 'timestamp', Hand>> {
    return this.#hands;
  }

  async root(
    root: Hand,
    targets: Hand,
    by: readonly Hand[] = [root],
  ): Promise<readonly [string, Buffer]> {
    const { snapshot, timestamp } = this.#hands;
    const roles = {
      root: roleOf('root', [root]),
      targets: roleOf('targets', [targets]),
      snapshot: roleOf('snapshot', [snapshot]),
      timestamp: roleOf('timestamp', [timestamp]),
    };
    return ['root', await buildRoot(roles, { ...this.#next('root'), signers: by })];
  }

  async targets(
    role: string,
    signer: Hand,
    tags: Readonly<Record<string, string>>,
    below: readonly Hand[] = [],
  ): Promise<readonly [string, Buffer]> {
    const targets = new Map(Object.entries(tags).map(([name, content]) => [name, tag(content)]));
    const delegations =
      below.length === 0 ? [] : [{ ...roleOf('targets/releases', below), paths: [''] }];
    const given = { ...this.#next(role), signers: [signer] };
    return [role, await buildTargets({ targets, delegations }, given)];
  }

  async publish(at: number | null, parts: readonly (readonly [string, Buffer])[]): Promise<void> {
    const keep = (role: string, bytes: Buffer): void => {
      const version = (this.#versions.get(role) ?? 0) + 1;
      this.#versions.set(role, version);
      this.files.push({ role, version, bytes, sha256: null, createdAt: at });
    };
    for (const [role, bytes] of parts) {
      this.#newest.set(role, bytes);
      keep(role, bytes);
    }
    const meta = new Map([...this.#newest].map(([role, bytes]) => [role, fileMetaOf(bytes)]));
    const by = (role: 'snapshot' | 'timestamp') => ({
      ...this.#next(role),
      signers: [this.#hands[role]],
    });
    const snapshot = await buildSnapshot(meta, by('snapshot'));
    keep('snapshot', snapshot);
    keep('timestamp', await buildTimestamp(snapshot, by('timestamp')));
  }

  #next(role: string): { readonly version: number; readonly expires: Date } {
    return { version: (this.#versions.get(role) ?? 0) + 1, expires: lifetime(role, LATER) };
  }
}

const day = (n: number): number => NOW.getTime() - 100 * DAY + n * DAY;
const digest = (content: string): Digest => digestOf(Buffer.from(content));

describe('what was signed before an import', () => {
  const { withStore, importDump } = importSuite();
  let files: readonly SourceFile[];
  let first: Hand;
  let second: Hand;
  let alice: Hand;

  const historyOf = (given: readonly SourceFile[], most?: number): SignedHistory =>
    signedHistory(unwrap(checkRepository(GUN, given, LATER)), LATER, most);
  const of = ({ entries }: SignedHistory, content: string): readonly ImportedEntry[] =>
    entries.filter((entry) => entry.digest === digest(content));

  beforeAll(async () => {
    const root = await makeHand('ecdsa-p256', { gun: GUN, now: NOW });
    [first, second, alice] = [await makeHand(), await makeHand(), await makeHand()];
    const growing = new Growing({ snapshot: await makeHand(), timestamp: await makeHand() });
    await growing.publish(day(1), [
      await growing.root(root, first),
      await growing.targets('targets', first, { a: 'one' }),
    ]);
    await growing.publish(day(2), [
      await growing.targets('targets', first, { a: 'two', b: 'kept' }, [alice]),
    ]);
    await growing.publish(day(3), [
      await growing.targets('targets/releases', alice, { c: 'released' }),
    ]);
    // The root changes the targets key, and the delegation goes.
    await growing.publish(day(4), [
      await growing.root(root, second),
      await growing.targets('targets', second, { b: 'kept', d: 'new' }),
    ]);
    ({ files } = growing);
  });

  it('is on record with its key, its role and its time, each once', () => {
    const history = historyOf(files);
    expect(history).toMatchObject({ before: 3, left: 0 });
    expect(of(history, 'one')).toEqual([
      {
        role: 'targets',
        tag: 'a',
        digest: digest('one'),
        keyId: first.signer.publicKey.id,
        publishedAt: day(1),
      },
    ]);
    expect(of(history, 'two')).toMatchObject([{ tag: 'a', publishedAt: day(2) }]);
    expect(of(history, 'released')).toMatchObject([
      { role: 'targets/releases', keyId: alice.signer.publicKey.id, publishedAt: day(3) },
    ]);
    // By each key since that one signed it.
    expect(
      of(history, 'kept').toSorted((a, b) => Number(a.publishedAt) - Number(b.publishedAt)),
    ).toMatchObject([
      { keyId: first.signer.publicKey.id, publishedAt: day(2) },
      { keyId: second.signer.publicKey.id, publishedAt: day(4) },
    ]);
  });

  it('has no time where the source tells none, and none that is still to come', () => {
    const unknown = historyOf(files.map((file) => ({ ...file, createdAt: null })));
    expect(unknown.entries.every(({ publishedAt }) => publishedAt === null)).toBe(true);
    const ahead = historyOf(files.map((file) => ({ ...file, createdAt: LATER.getTime() + DAY })));
    expect(of(ahead, 'one')).toMatchObject([{ publishedAt: LATER.getTime() }]);
  });

  it('counts by keys that are listed still alone where the source has no record: a stolen key that was rotated away makes no past (T-22)', () => {
    const served = historyOf(files.map((file) => ({ ...file, createdAt: null })));
    const keys = new Set(served.entries.map(({ keyId }) => keyId));
    expect([...keys]).toEqual([second.signer.publicKey.id]);
    expect(served.before).toBe(0);
    for (const content of ['one', 'two', 'released']) expect(of(served, content)).toEqual([]);
  });

  it('counts only where a snapshot of the server lists it under the root of its time', async () => {
    const mallory = await makeHand();
    const forge = (role: string, version: number, signer: Hand): Promise<Buffer> =>
      buildTargets(
        { targets: new Map([['evil', tag('evil')]]), delegations: [] },
        { version, expires: lifetime(role, LATER), signers: [signer] },
      );
    const without = files.filter(({ role, version }) => role !== 'targets' || version !== 2);
    const planted = (role: string, version: number, bytes: Buffer): readonly SourceFile[] => [
      ...without,
      { role, version, bytes, sha256: null, createdAt: day(2) },
    ];
    for (const signer of [mallory, first, alice]) {
      const history = historyOf(planted('targets', 2, await forge('targets', 2, signer)));
      expect(of(history, 'evil')).toEqual([]);
      // Nothing stands on what was replaced.
      expect(of(history, 'released')).toEqual([]);
      expect(of(history, 'one')).toHaveLength(1);
    }
    // With its snapshot too, signed by another than the server.
    const bytes = await forge('targets', 2, first);
    const [root] = files;
    const meta = new Map([
      ['root', fileMetaOf(root?.bytes ?? Buffer.of())],
      ['targets', fileMetaOf(bytes)],
    ]);
    const by = { version: 2, expires: lifetime('snapshot', LATER), signers: [mallory] };
    const snapshot = await buildSnapshot(meta, by);
    const history = historyOf(
      planted('targets', 2, bytes).map((file) =>
        file.role === 'snapshot' && file.version === 2 ? { ...file, bytes: snapshot } : file,
      ),
    );
    expect(of(history, 'evil')).toEqual([]);
  });

  it('is bounded, and the oldest is left out', () => {
    const history = historyOf(files, 5);
    expect(history.entries).toHaveLength(5);
    expect(history.left).toBe(1);
    expect(of(history, 'one')).toEqual([]);
    expect(of(history, 'released')).toHaveLength(1);
  });

  it('comes along with the import, in the same commit, and again with nothing', async () => {
    const dumped = files.map((file) => ({ ...file, gun: GUN, createdAt: undefined }));
    await withStore(async (store) => {
      const dump = postgresDump({ files: dumped });
      const report = firstOf(await importDump(store, dump));
      expect(report).toMatchObject({ outcome: 'imported', tags: 2, signedBefore: 3 });
      const entries = await store.trustEntries(REPOSITORY, digest('one'));
      expect(entries).toMatchObject([{ tag: 'a', publishedAt: Date.UTC(2026, 10, 20, 10) }]);
      expect(firstOf(await importDump(store, dump))).toMatchObject({ outcome: 'unchanged' });
    });
  });

  it('makes no tag mean anything else: to the gate it was said once, and is not said now', async () => {
    await withStore(async (store) => {
      const dump = postgresDump({ files: files.map((file) => ({ ...file, gun: GUN })) });
      expect(firstOf(await importDump(store, dump)).outcome).toBe('imported');
      const { verified } = unwrap(checkRepository(GUN, files, LATER));
      const source = new MemoryEvidence();
      source.trust = trustDataOf(store, REPOSITORY, ok(verified));
      const said = async (content: string, name: string | null) => {
        const subject = { repository: REPOSITORY, digest: digest(content), tag: name };
        const findings = await verifyDct(subject, source, [OWNERS]);
        return findings.map(({ status, entry }) => [status, entry?.current]);
      };
      expect(await said('kept', 'b')).toContainEqual(['valid', true]);
      for (const name of ['a', null]) expect(await said('one', name)).toEqual([['valid', false]]);
      expect(await said('never', null)).toEqual([['absent', undefined]]);
    });
  });

  it('comes along with what is new the next time', async () => {
    const dumped = files.map((file) => ({ ...file, gun: GUN }));
    const part = (count: number): readonly SourceFile[] => files.slice(0, count);
    await withStore(async (store) => {
      const early = dumped.slice(0, part(4).length);
      expect(firstOf(await importDump(store, postgresDump({ files: early })))).toMatchObject({
        outcome: 'imported',
        signedBefore: 0,
      });
      expect(firstOf(await importDump(store, postgresDump({ files: dumped })))).toMatchObject({
        outcome: 'updated',
        signedBefore: 3,
      });
      expect(await store.trustEntries(REPOSITORY, digest('released'))).toHaveLength(1);
    });
  });
});
