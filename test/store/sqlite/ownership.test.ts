import { existsSync, mkdtempSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import { networkFileSystem, refusedVersion } from '../../../src/store/sqlite/connection.ts';
import { startChild, waitFor } from '../../support/child.ts';
import { suiteScope } from '../../support/scope.ts';
import { eventWrite, openAt, refusal } from '../../support/store.ts';

const CHILD = join(import.meta.dirname, '../../support/store-child.ts');

describe('the owner of a data folder', () => {
  const scope = suiteScope();
  const folder = (): string => mkdtempSync(join(scope.folder(), 'data-'));

  it('is one process: a second is refused by the number of the first, until it is killed', async () => {
    const data = folder();
    const child = startChild(process.execPath, [CHILD, data, 'run']);
    const pid = await waitFor(child, 'the store', () => {
      if (!child.stdout().startsWith('ready\n')) return undefined;
      return readFileSync(join(data, 'lock.pid'), 'utf8').trim();
    });
    await expect(openAt(data)).rejects.toMatchObject({
      code: 'STORE_UNAVAILABLE',
      message: expect.stringContaining(`in use by process ${pid};`) as string,
    });
    await child.kill();
    const store = await openAt(data);
    await store.commit([eventWrite()]);
    await store.close();
  });

  it('is one store within a process', async () => {
    const data = folder();
    const store = await openAt(data);
    await expect(openAt(data)).rejects.toEqual(refusal('STORE_UNAVAILABLE'));
    await store.commit([eventWrite()]);
    await store.close();
    await (await openAt(data)).close();
  });

  it('alone may read its files, and a clean stop leaves the database in one file', async () => {
    const data = join(folder(), 'made');
    const store = await openAt(data);
    await store.commit([eventWrite()]);
    const mode = (name: string): number => statSync(join(data, name)).mode & 0o077;
    const files = ['.', 'countersign.db', 'countersign.db-wal', 'high-water.json', 'lock.pid'];
    expect(files.map(mode)).toEqual(files.map(() => 0));
    await store.close();
    expect(existsSync(join(data, 'countersign.db-wal'))).toBe(false);
  });

  it('is told that its writer has died: what waits and what comes is refused, reads go on', async () => {
    const data = folder();
    const workers: Worker[] = [];
    const seen = (worker: Worker): void => void workers.push(worker);
    process.on('worker', seen);
    const store = await openAt(data);
    process.removeListener('worker', seen);
    await store.commit([eventWrite({ key: 'before' })]);
    const pending = Array.from({ length: 20 }, () => store.commit([eventWrite()]));
    const settled = Promise.allSettled(pending);
    await Promise.all(workers.map((worker) => worker.terminate()));
    for (const one of await settled)
      expect(one).toMatchObject({ status: 'rejected', reason: { code: 'STORE_UNAVAILABLE' } });
    await expect(store.commit([eventWrite()])).rejects.toEqual(refusal('STORE_UNAVAILABLE'));
    expect((await store.counts()).sig).toBeGreaterThanOrEqual(1);
    await store.close();
    const again = await openAt(data);
    const { events } = await again.commit([eventWrite({ key: 'before' })]);
    expect(events[0]?.index).toBe(0);
    await again.close();
  });
});

describe('what SQLite runs on', () => {
  it.each(['3.51.3', '3.52.1', '3.53.0', '4.0.0'])('release %s is accepted', (version) => {
    expect(refusedVersion(version)).toBeNull();
  });

  it.each(['3.7.0', '3.40.1', '3.51.2', '3.52.0', 'unknown'])(
    'release %s is refused',
    (version) => {
      expect(refusedVersion(version)).toContain(`found ${version}`);
    },
  );

  it('network file systems are known by their numbers, however the kernel signs them', () => {
    expect(networkFileSystem(0x6969)).toBe('NFS');
    expect(networkFileSystem(0xff534d42 | 0)).toBe('CIFS');
    expect(networkFileSystem(0xef53)).toBeNull();
  });
});
