import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { missingLines } from '../../src/import/feed.ts';
import type { SourceChange } from '../../src/import/source.ts';
import type { ImportReads } from '../../src/import/target.ts';
import { EMPTY } from '../../src/import/target.ts';
import { unwrap } from '../../src/lib/result.ts';
import { parseRepository } from '../../src/oci/reference.ts';
import type { TrustChange } from '../../src/store/trust-data.ts';
import { importSuite, REPOSITORY } from '../support/import-world.ts';
import { GUN } from '../support/tuf.ts';

const { withStore } = importSuite();
const OTHER = unwrap(parseRepository('registry.example.com/other/app'));

function line(id: number, version = id): SourceChange {
  const sha256 = version.toString(16).padStart(64, '0');
  return { id, gun: GUN, version, sha256, category: 'update', time: 1000 * id };
}

const lineHere = (id: number, repository = REPOSITORY): TrustChange => {
  const { gun: _gun, ...change } = line(id);
  return { ...change, repository };
};

/** A server's feed of one repository, and how many of its lines were asked for. */
function sourceOf(lines: readonly SourceChange[]) {
  return {
    async *changes(): AsyncGenerator<SourceChange, void, undefined> {
      yield* lines;
    },
  };
}

async function batchesOf(
  lines: readonly SourceChange[],
  reads: ImportReads,
): Promise<readonly (readonly TrustChange[])[] | null> {
  const missing = await missingLines(sourceOf(lines), reads, REPOSITORY);
  if (missing === null) return null;
  const batches: (readonly TrustChange[])[] = [];
  for await (const batch of missing.batches()) batches.push(batch);
  expect(batches.flat()).toHaveLength(missing.count);
  return batches;
}

describe('the lines of another server’s feed', () => {
  it('come in batches, however many there are', async () => {
    const lines = Array.from({ length: 25_001 }, (_, at) => line(at + 1));
    const batches = await batchesOf(lines, EMPTY);
    expect(batches?.map((batch) => batch.length)).toEqual([10_000, 10_000, 5001]);
    expect(batches?.flat().map(({ id }) => id)).toEqual(lines.map(({ id }) => id));
  });

  it('are those that are not here, whatever stands between them; ids of others are noticed', async () => {
    const ids = fc.uniqueArray(fc.integer({ min: 1, max: 200 }), { maxLength: 80 });
    await withStore(async (store) => {
      const all = new Map<number, TrustChange>();
      await fc.assert(
        fc.asyncProperty(ids, ids, async (asked, stored) => {
          for (const id of stored) {
            if (all.has(id)) continue;
            // Every third line here is another repository's.
            all.set(id, lineHere(id, id % 3 === 0 ? OTHER : REPOSITORY));
            await store.commit([{ kind: 'trust-changes', changes: [all.get(id) ?? lineHere(id)] }]);
          }
          const lines = asked.toSorted((a, b) => a - b).map((id) => line(id));
          const batches = await batchesOf(lines, store);
          const taken = lines.some(({ id }) => all.get(id)?.repository === OTHER);
          const missing = lines.filter(({ id }) => !all.has(id)).map(({ id }) => id);
          expect(batches?.flat().map(({ id }) => id) ?? null).toEqual(taken ? null : missing);
        }),
        { numRuns: 12 },
      );
    });
  });

  it.each([
    ['one id twice', [line(1), line(1, 2)]],
    ['ids that go back', [line(2), line(1)]],
    ['an id that leaves too few', [line(2 ** 30 + 1)]],
  ])('cannot keep their place with %s', async (_what, lines) => {
    expect(await batchesOf(lines, EMPTY)).toBeNull();
  });
});
