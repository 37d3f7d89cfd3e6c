import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { missingLines } from '../../src/import/feed.ts';
import type { SourceChange } from '../../src/import/source.ts';
import { parseFeedQuery } from '../../src/http/routes/notary-changefeed.ts';
import { unwrap } from '../../src/lib/result.ts';
import type { Repository } from '../../src/oci/reference.ts';
import { parseRepository } from '../../src/oci/reference.ts';
import type { Store } from '../../src/store/store.ts';
import type { TrustChange } from '../../src/store/trust-data.ts';
import { importSuite } from '../support/import-world.ts';

const { withStore } = importSuite();
const repositoryOf = (name: number): Repository =>
  unwrap(parseRepository(`registry.example.com/paging/${name}`));

/** Imports the lines of one repository of another server, as far as they can keep their ids. */
async function importLines(
  store: Store,
  repository: Repository,
  ids: readonly number[],
): Promise<void> {
  const changes = async function* (): AsyncGenerator<SourceChange, void, undefined> {
    for (const id of ids) {
      const sha256 = id.toString(16).padStart(64, '0');
      yield { id, gun: repository, version: id, sha256, category: 'update', time: id };
    }
  };
  const lines = await missingLines({ changes }, store, repository);
  for await (const batch of lines?.batches() ?? []) {
    await store.commit([{ kind: 'trust-changes', changes: batch }]);
  }
}

/** A line that the service adds by itself. */
async function addLine(store: Store, repository: Repository, version: number): Promise<void> {
  const bytes = Buffer.from(`{"timestamp":${version}}`);
  const files = [{ role: 'timestamp', version, bytes }];
  await store.commit([{ kind: 'trust-files', repository, files }]);
}

/** One page, asked for as a client asks. */
function page(
  store: Store,
  repository: Repository | null,
  records: number,
  id: number | '',
): Promise<readonly TrustChange[]> {
  const query = unwrap(parseFeedQuery(`records=${records}&change_id=${id}`));
  return store.trustChanges({ repository, ...query });
}

/** All lines, read from the first page on or, with negative `records`, from the last one back. */
async function walk(store: Store, repository: Repository | null, records: number) {
  const seen: TrustChange[] = [];
  let id: number | '' = '';
  for (;;) {
    const got: readonly TrustChange[] = await page(store, repository, records, id);
    expect(got.length).toBeLessThanOrEqual(Math.min(Math.abs(records), 1000));
    const next = records > 0 ? got.at(-1) : got[0];
    if (next === undefined) return seen;
    if (records > 0) seen.push(...got);
    else seen.unshift(...got);
    id = next.id;
  }
}

describe('the changefeed after imports', () => {
  it('is read whole by pages of any size, forward and back, each line once and in order', async () => {
    const ids = fc.uniqueArray(fc.integer({ min: 1, max: 400 }), { maxLength: 60 });
    const step = fc.record({ name: fc.integer({ min: 0, max: 3 }), ids });
    const sizes = fc.integer({ min: 1, max: 2000 });
    let version = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { minLength: 1, maxLength: 5 }),
        sizes,
        async (steps, size) => {
          await withStore(async (store) => {
            for (const { name, ids: given } of steps) {
              const repository = repositoryOf(name);
              await importLines(
                store,
                repository,
                given.toSorted((a, b) => a - b),
              );
              const [last] = await store.trustChanges({ repository: null, limit: 1, before: null });
              await addLine(store, repository, (version += 1));
              const [added] = await store.trustChanges({
                repository: null,
                limit: 1,
                before: null,
              });
              // Consumers of either server have seen no id above the last one.
              expect(added).toMatchObject({ repository, version, id: (last?.id ?? 0) + 1 });
            }
            const all = await store.trustChanges({ repository: null, limit: 1000, after: 0 });
            expect(await walk(store, null, size)).toEqual(all);
            expect(await walk(store, null, -size)).toEqual(all);
            for (const name of [0, 1, 2, 3]) {
              const repository = repositoryOf(name);
              const own = all.filter((change) => change.repository === repository);
              expect(await walk(store, repository, size)).toEqual(own);
              expect(await walk(store, repository, -size)).toEqual(own);
            }
          });
        },
      ),
      { numRuns: 15 },
    );
  });

  it('gives at most a thousand lines, however many are asked for', async () => {
    await withStore(async (store) => {
      const ids = Array.from({ length: 2500 }, (_, at) => 3 * at + 1);
      await importLines(store, repositoryOf(0), ids);
      expect(await page(store, null, 2 ** 31 - 1, 1)).toHaveLength(1000);
      expect(await page(store, null, -(2 ** 31 - 1), '')).toHaveLength(1000);
      expect((await walk(store, null, 1000)).map(({ id }) => id)).toEqual(ids);
    });
  });
});

it('repositories are listed by pages that go on behind the last one, also after an import', async () => {
  await withStore(async (store) => {
    const names = Array.from({ length: 1200 }, (_, at) => repositoryOf(at));
    for (let at = 0; at < names.length; at += 300) {
      await store.commit(
        names.slice(at, at + 300).map((repository) => ({
          kind: 'trust-files',
          repository,
          imported: true,
          files: [{ role: 'root', version: 1, bytes: Buffer.from(repository) }],
        })),
      );
    }
    const listed: Repository[] = [];
    for (let after: Repository | null = null; ;) {
      const got: readonly Repository[] = await store.trustRepositories(after);
      expect(got.length).toBeLessThanOrEqual(1000);
      listed.push(...got);
      after = got.at(-1) ?? null;
      if (after === null) break;
    }
    expect(listed).toEqual(names.toSorted());
  });
});
