import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { openStore, recoverStore } from '../../src/store/open.ts';
import type { Recovery } from '../../src/store/recovery.ts';
import { suiteScope } from '../support/scope.ts';
import { checkLog, eventWrite, openAt, refusal } from '../support/store.ts';

const clock = (): Date => new Date('2026-02-03T04:05:06Z');

describe('a database restored from an old copy', () => {
  const scope = suiteScope();
  let data: string;
  let copy: string;

  const database = (folder: string): string => join(folder, 'countersign.db');
  const highWater = (): string => join(data, 'high-water.json');
  const recover = (reason = 'disk lost'): Promise<Recovery> =>
    recoverStore({ data, store: 'sqlite', clock, reason, actor: 'local:op' });

  /** Three events and a copy of the database; then a fourth event and a revoked key, which the copy lacks. */
  beforeEach(async () => {
    data = mkdtempSync(join(scope.folder(), 'data-'));
    copy = mkdtempSync(join(scope.folder(), 'copy-'));
    const first = await openAt(data);
    await first.commit([eventWrite(), eventWrite({ log: 'dec' }), eventWrite()]);
    await first.close();
    cpSync(database(data), database(copy));
    const second = await openAt(data);
    await second.commit([
      eventWrite({ log: 'dec' }),
      { kind: 'revoke', revocation: { kind: 'key', keyId: 'k', reason: 'stolen' }, by: 'alice' },
    ]);
    await second.close();
  });

  it('is refused with the command that mends it, and serves again once that is recorded', async () => {
    cpSync(database(copy), database(data));
    await expect(openAt(data)).rejects.toMatchObject({
      code: 'STORE_ROLLED_BACK',
      message: expect.stringMatching(
        new RegExp(
          `log dec has 1 events, high-water.json has seen 2.*countersign recover --data ${data} --reason TEXT$`,
        ),
      ) as string,
    });
    const recovery = await recover();
    expect(recovery).toMatchObject({
      recovered: true,
      event: {
        type: 'recovered',
        log: 'sig',
        index: 2,
        actor: 'local:op',
        data: {
          reason: 'disk lost',
          seen: { sig: 2, dec: 2, trustRevision: 1 },
          found: { sig: 2, dec: 1, trustRevision: 0 },
        },
      },
    });
    const store = await openAt(data);
    const events = await checkLog(store);
    expect(events.at(-1)?.type).toBe('recovered');
    // Above everything that was ever answered: no verdict of the lost time is taken for one of now.
    expect(await store.trustRevision()).toBe(2);
    await store.close();
    expect(await recover()).toEqual({ recovered: false });
  });

  it('is noticed by the trust revision alone', async () => {
    const late = await openAt(data);
    await late.close();
    cpSync(database(data), database(copy));
    const store = await openAt(data);
    await store.commit([
      { kind: 'unrevoke', revocation: { kind: 'key', keyId: 'k', reason: '' }, by: 'alice' },
    ]);
    await store.close();
    cpSync(database(copy), database(data));
    await expect(openAt(data)).rejects.toMatchObject({
      code: 'STORE_ROLLED_BACK',
      message: expect.stringContaining('trust revision is 1') as string,
    });
  });

  it('is noticed when it has grown as long again with another history', async () => {
    const mark = readFileSync(highWater());
    cpSync(database(copy), database(data));
    rmSync(highWater());
    await recover();
    const store = await openAt(data);
    await store.commit([eventWrite({ log: 'dec' }), eventWrite({ log: 'dec' }), eventWrite()]);
    await store.close();
    writeFileSync(highWater(), mark);
    await expect(openAt(data)).rejects.toMatchObject({
      code: 'STORE_ROLLED_BACK',
      message: expect.stringContaining('event 1 of log dec is not the one') as string,
    });
  });

  it('is refused when it is gone, or another store', async () => {
    rmSync(database(data));
    await expect(openAt(data)).rejects.toEqual(refusal('STORE_ROLLED_BACK'));
    const other = mkdtempSync(join(scope.folder(), 'other-'));
    await (await openAt(other)).close();
    cpSync(database(other), database(data));
    await expect(openAt(data)).rejects.toMatchObject({
      code: 'STORE_ROLLED_BACK',
      message: expect.stringContaining('not the one that high-water.json belongs to') as string,
    });
  });

  it.each([
    ['missing', (): void => rmSync(highWater())],
    [
      'cut short',
      (): void => writeFileSync(highWater(), readFileSync(highWater()).subarray(0, 90)),
    ],
    [
      'edited by hand',
      (): void =>
        writeFileSync(
          highWater(),
          readFileSync(highWater(), 'utf8').replace('"trustRevision":1', '"trustRevision":0'),
        ),
    ],
  ])('cannot hide behind a high-water file that is %s', async (_name, damage) => {
    cpSync(database(copy), database(data));
    damage();
    await expect(openAt(data)).rejects.toEqual(refusal('STORE_ROLLED_BACK'));
    await recover();
    await (await openAt(data)).close();
  });

  it('is not one that is ahead: a crash before the file was written does not block the start', async () => {
    const mark = readFileSync(highWater());
    const store = await openAt(data);
    const { events } = await store.commit([eventWrite(), eventWrite({ log: 'dec' })]);
    await store.close();
    writeFileSync(highWater(), mark);
    writeFileSync(`${highWater()}.next`, 'half a fi');
    const again = await openAt(data);
    expect(await again.events({ limit: 2 })).toEqual(events.toReversed());
    await again.close();
    cpSync(database(copy), database(data));
    await expect(openAt(data)).rejects.toEqual(refusal('STORE_ROLLED_BACK'));
  });

  it('is not recovered while a service runs, nor where there is nothing', async () => {
    const store = await openAt(data);
    await expect(recover()).rejects.toMatchObject({
      code: 'STORE_UNAVAILABLE',
      message: expect.stringContaining(`process ${process.pid}`) as string,
    });
    await store.close();
    data = mkdtempSync(join(scope.folder(), 'empty-'));
    await expect(recover()).rejects.toEqual(refusal('STORE_UNAVAILABLE'));
  });
});

describe('opening a store', () => {
  it('refuses an engine that there is not, without repeating its password', async () => {
    const asked = openStore({ data: '/nonexistent', store: 'postgres://u:hunter2@db/x', clock });
    await expect(asked).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.not.stringContaining('hunter2') as string,
    });
  });
});
