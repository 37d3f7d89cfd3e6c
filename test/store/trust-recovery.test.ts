import { cpSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { sha256Hex } from '../../src/lib/bytes.ts';
import { canonicalJson } from '../../src/lib/canonical-json.ts';
import { recoverStore } from '../../src/store/open.ts';
import type { Write } from '../../src/store/store.ts';
import { suiteScope } from '../support/scope.ts';
import { eventWrite, openAt, refusal, repo } from '../support/store.ts';

const clock = (): Date => new Date('2026-02-03T04:05:06Z');

describe('a database whose trust data are those of an old copy', () => {
  const scope = suiteScope();
  const folder = (): string => mkdtempSync(join(scope.folder(), 'data-'));
  const database = (data: string): string => join(data, 'countersign.db');
  const highWater = (data: string): string => join(data, 'high-water.json');
  const timestamp = (version: number, text = `timestamp ${version}`): Write => ({
    kind: 'trust-files',
    repository: repo('app'),
    files: [{ role: 'timestamp', version, bytes: Buffer.from(text) }],
  });
  async function write(data: string, ...writes: readonly Write[]): Promise<void> {
    const store = await openAt(data);
    for (const one of writes) await store.commit([one]);
    await store.close();
  }

  it('is noticed by the changefeed alone, and once recovered goes on behind the ids that were seen', async () => {
    const data = folder();
    const copy = folder();
    await write(data, timestamp(1));
    cpSync(database(data), database(copy));
    await write(data, timestamp(2), timestamp(3));
    cpSync(database(copy), database(data));
    await expect(openAt(data)).rejects.toMatchObject({
      code: 'STORE_ROLLED_BACK',
      message: expect.stringContaining(
        'the changefeed ends at 1, high-water.json has seen 3',
      ) as string,
    });
    const recovery = await recoverStore({
      data,
      store: 'sqlite',
      clock,
      reason: 'disk lost',
      actor: 'local:op',
    });
    expect(recovery).toMatchObject({ event: { data: { seen: { feed: 3 }, found: { feed: 1 } } } });
    const store = await openAt(data);
    await store.commit([timestamp(2)]);
    const changes = await store.trustChanges({ repository: null, limit: 10, after: 0 });
    expect(changes.map(({ id, version }) => [id, version])).toEqual([
      [1, 1],
      [4, 2],
    ]);
    await store.close();
  });

  it('is noticed where the feed is as long again and says something else', async () => {
    const data = folder();
    const copy = folder();
    await write(data, timestamp(1));
    cpSync(data, copy, { recursive: true });
    await write(data, timestamp(2));
    await write(copy, timestamp(2, 'another'));
    cpSync(database(copy), database(data));
    await expect(openAt(data)).rejects.toMatchObject({
      code: 'STORE_ROLLED_BACK',
      message: expect.stringContaining('change 2 of the feed is not the one') as string,
    });
  });

  it('opens with a mark from before there was a feed, and writes one with it', async () => {
    const data = folder();
    await write(data, eventWrite());
    const {
      check: _check,
      feed,
      ...mark
    } = JSON.parse(readFileSync(highWater(data), 'utf8')) as Record<string, never>;
    expect(feed).toEqual({ last: 0, head: '' });
    const old = { ...mark, format: 1 };
    writeFileSync(highWater(data), canonicalJson({ ...old, check: sha256Hex(canonicalJson(old)) }));
    await write(data, timestamp(1));
    expect(JSON.parse(readFileSync(highWater(data), 'utf8'))).toMatchObject({
      format: 2,
      feed: { last: 1 },
    });
    const cut = { ...mark, format: 2 };
    writeFileSync(highWater(data), canonicalJson({ ...cut, check: sha256Hex(canonicalJson(cut)) }));
    await expect(openAt(data)).rejects.toEqual(refusal('STORE_ROLLED_BACK'));
  });
});
