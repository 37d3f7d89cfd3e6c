import { mkdtempSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { beforeEach, describe, expect, it } from 'vitest';
import { suiteScope } from '../../support/scope.ts';
import { eventWrite, openAt, refusal } from '../../support/store.ts';

describe('a database that somebody works on by hand', () => {
  const scope = suiteScope();
  let data: string;

  beforeEach(async () => {
    data = mkdtempSync(join(scope.folder(), 'data-'));
    const store = await openAt(data);
    await store.commit([
      eventWrite(),
      eventWrite({ log: 'dec' }),
      eventWrite({ data: { text: 'original' } }),
      { kind: 'revoke', revocation: { kind: 'key', keyId: 'k', reason: 'lost' }, by: 'alice' },
    ]);
    await store.close();
  });

  function byHand(sql: string): void {
    const db = new DatabaseSync(join(data, 'countersign.db'));
    try {
      db.exec(sql);
    } finally {
      db.close();
    }
  }

  it.each([
    ['changing an event', `UPDATE event SET type = 'allow' WHERE sequence = 1`, 'never changed'],
    ['deleting an event', 'DELETE FROM event WHERE sequence = 3', 'never deleted'],
    [
      'inserting with a gap',
      `INSERT INTO event SELECT 9, log, 7, type, repository, tag, digest, body, leaf_hash,
         randomblob(32), content_hash FROM event WHERE sequence = 1`,
      'dense',
    ],
    [
      'replacing an event',
      'INSERT OR REPLACE INTO event SELECT * FROM event WHERE sequence = 3',
      'dense',
    ],
    ['shrinking a log', `UPDATE log SET size = 0 WHERE name = 'sig'`, 'only grow'],
    ['dropping a log', `DELETE FROM log WHERE name = 'sig'`, 'never deleted'],
    ['lowering the trust revision', 'UPDATE store SET trust_revision = 0', 'only rise'],
  ])('%s is refused by the database itself', (_name, sql, message) => {
    expect(() => byHand(sql)).toThrow(message);
  });

  it('shows no event whose bytes were altered behind the triggers', async () => {
    byHand(`DROP TRIGGER event_no_update;
      UPDATE event SET body = CAST(replace(body, 'original', 'forgery!') AS BLOB) WHERE sequence = 3`);
    const store = await openAt(data);
    await expect(store.events({ limit: 10 })).rejects.toMatchObject({
      code: 'STORE_UNAVAILABLE',
      message: expect.stringContaining('event 3') as string,
    });
    expect(await store.events({ limit: 10, before: 3 })).toHaveLength(2);
    await store.close();
  });

  it('does not open when its newest event was altered, bytes and hash', async () => {
    byHand(`DROP TRIGGER event_no_update;
      UPDATE event SET leaf_hash = randomblob(32) WHERE sequence = 3`);
    await expect(openAt(data)).rejects.toEqual(refusal('STORE_ROLLED_BACK'));
  });

  it('does not open when it is of a later version, of another program, or no database', async () => {
    byHand('PRAGMA user_version = 99');
    await expect(openAt(data)).rejects.toMatchObject({
      code: 'STORE_UNAVAILABLE',
      message: expect.stringContaining('found 99') as string,
    });
    byHand('PRAGMA user_version = 1; PRAGMA application_id = 7');
    await expect(openAt(data)).rejects.toMatchObject({
      message: expect.stringContaining('another program') as string,
    });
    writeFileSync(
      join(data, 'countersign.db'),
      'this is no database, and long enough to be read as one',
    );
    await expect(openAt(data)).rejects.toEqual(refusal('STORE_UNAVAILABLE'));
  });
});
