import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RepositorySize } from '../../src/import/import-bounds.ts';
import { Spool } from '../../src/import/spool.ts';

const record = fc.record({
  fields: fc.dictionary(fc.string(), fc.oneof(fc.string({ maxLength: 900 }), fc.integer())),
  bytes: fc.uint8Array({ maxLength: 3000 }),
});

describe('what an import keeps of a dump beside the memory', () => {
  it('comes back as it was, in whatever order it is asked for', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(record, { maxLength: 20 }), async (records) => {
        const spool = await Spool.open();
        try {
          const places: number[] = [];
          for (const one of records) places.push(await spool.add(one));
          for (const [at, place] of [...places.entries()].toReversed()) {
            const { fields, bytes } = await spool.read(place);
            expect(Object.entries(fields as object)).toEqual(
              Object.entries(records[at]?.fields ?? {}),
            );
            expect(Buffer.from(bytes)).toEqual(Buffer.from(records[at]?.bytes ?? []));
          }
        } finally {
          await spool.close();
        }
      }),
      { numRuns: 50 },
    );
  });

  it('takes values that are written in several pieces', async () => {
    const spool = await Spool.open();
    const bytes = Buffer.alloc(3 * 1024 * 1024, 'piece of a large value ');
    const first = await spool.add({ fields: 'first', bytes });
    const second = await spool.add({ fields: null, bytes: Buffer.of(1) });
    expect(Buffer.from((await spool.read(first)).bytes).equals(bytes)).toBe(true);
    expect((await spool.read(second)).fields).toBeNull();
    await spool.close();
  });

  it('has a bound together, and says what to do about it', async () => {
    const spool = await Spool.open(1000);
    await spool.add({ fields: {}, bytes: Buffer.alloc(900) });
    const more = spool.add({ fields: {}, bytes: Buffer.alloc(100) });
    await expect(more).rejects.toThrow(
      'expected at most 1000 bytes of trust data in one import, found more; name some of the repositories',
    );
    await spool.close();
  });
});

it('a repository has a bound on all that it ever had, small files counted too', () => {
  const size = new RepositorySize(10_000);
  expect(size.add(9000)).toBeNull();
  expect(size.add(1)).toContain('expected at most 10000 bytes in all versions of its files');
  const many = new RepositorySize(10_000);
  const problems = Array.from({ length: 20 }, () => many.add(1));
  expect(problems.filter((problem) => problem === null)).toHaveLength(19);
});
