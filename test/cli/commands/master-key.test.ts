import { copyFileSync, existsSync, mkdtempSync, readFileSync, renameSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadMasterKey } from '../../../src/notary/master-key.ts';
import type { NotaryStage } from '../../support/notary-service.ts';
import {
  begin,
  gunOf,
  makeOwner,
  publishFiles,
  startNotary,
  wholeStore,
} from '../../support/notary-service.ts';
import type { Owner } from '../../support/notary-service.ts';
import type { Ran } from '../../support/run.ts';
import { run } from '../../support/run.ts';
import { suiteScope } from '../../support/scope.ts';
import { refusal } from '../../support/store.ts';

const BIN = join(import.meta.dirname, '../../../bin/countersign.js');
const gun = gunOf('team/app');

describe('countersign master-key', () => {
  const scope = suiteScope();
  const folder = (): string => mkdtempSync(join(scope.folder(), 'site-'));
  const countersign = (
    cwd: string,
    args: readonly string[],
    env: Readonly<Record<string, string>> = {},
  ): Promise<Ran> =>
    run(process.execPath, [BIN, 'master-key', ...args], {
      cwd,
      env: { COUNTERSIGN_MASTER_KEY: undefined, COUNTERSIGN_MASTER_KEY_FILE: undefined, ...env },
    });
  const keyIn = (data: string): string => join(data, 'master.key');

  /** A service that has published once and was stopped. */
  async function used(): Promise<{ data: string; owner: Owner; stage: NotaryStage }> {
    const data = folder();
    const masterKey = await loadMasterKey({ file: keyIn(data), make: true });
    const stage = await startNotary(data, { masterKey });
    const owner = await makeOwner(stage, gun);
    await begin(stage, owner);
    await stage.close();
    return { data, owner, stage };
  }
  /** Starts on what is there now and publishes. */
  async function publishes(data: string, owner: Owner, version: number): Promise<void> {
    const masterKey = await loadMasterKey({ file: keyIn(data), make: false });
    const stage = await startNotary(data, { masterKey });
    try {
      const targets = await owner.targets(version, { latest: `${version}` });
      expect(await publishFiles(stage, gun, { targets })).toMatchObject({ ok: true });
      expect(await stage.notary.health()).toEqual({});
    } finally {
      await stage.close();
    }
  }

  it('generate writes a key for its owner alone, never over another file, and does not show it', async () => {
    const cwd = folder();
    const made = await countersign(cwd, ['generate', 'master.key']);
    expect(made.code).toBe(0);
    const file = join(cwd, 'master.key');
    const text = readFileSync(file, 'utf8').trim();
    expect(Buffer.from(text, 'base64')).toHaveLength(32);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(made.output).not.toContain(text);
    const again = await countersign(cwd, ['generate', 'master.key', '--output', 'json']);
    expect(again.code).toBe(2);
    expect(JSON.parse(again.stdout)).toMatchObject({ error: { code: 'KEY_EXISTS' } });
    expect(readFileSync(file, 'utf8').trim()).toBe(text);
  });

  it('rotate seals every key anew and puts the new master key in the place of the old, on record', async () => {
    const { data, owner } = await used();
    const old = readFileSync(keyIn(data), 'utf8');
    const rotated = await countersign(data, ['rotate', '--data', data, '--output', 'json']);
    expect(rotated.output).not.toContain(old.trim());
    expect(rotated.code).toBe(0);
    const from = (await loadMasterKey({ text: old })).id;
    const text = readFileSync(keyIn(data), 'utf8');
    const to = (await loadMasterKey({ text })).id;
    expect(from).not.toBe(to);
    expect(rotated.output).not.toContain(text.trim());
    expect(JSON.parse(rotated.stdout)).toEqual({ keys: 2, from, to, file: keyIn(data) });
    expect(existsSync(`${keyIn(data)}.new`)).toBe(false);
    expect(statSync(keyIn(data)).mode & 0o777).toBe(0o600);
    await publishes(data, owner, 2);
    const stage = await startNotary(data, { masterKey: await loadMasterKey({ text: old }) });
    expect(await stage.notary.health()).toHaveProperty('Trust operational');
    const [event] = await stage.store.events({ limit: 1, type: 'master-key-rotated' });
    expect(event?.data).toEqual({ from, to, keys: 2 });
    await stage.close();
  });

  it('rotate goes on where it was interrupted: after the new key was written, or after the keys were sealed', async () => {
    const { data, owner } = await used();
    const old = join(data, 'old.key');
    copyFileSync(keyIn(data), old);
    expect((await countersign(data, ['generate', `${keyIn(data)}.new`])).code).toBe(0);
    expect((await countersign(data, ['rotate', '--data', data])).code).toBe(0);
    await publishes(data, owner, 2);
    // The database is sealed under the new key, and the file has not been replaced.
    renameSync(keyIn(data), `${keyIn(data)}.new`);
    copyFileSync(old, keyIn(data));
    const again = await countersign(data, ['rotate', '--data', data, '--output', 'json']);
    expect(JSON.parse(again.stdout)).toMatchObject({ keys: 0 });
    await publishes(data, owner, 3);
  });

  it('rotate with a file for the new key leaves the old one where it is', async () => {
    const { data, owner } = await used();
    const old = readFileSync(keyIn(data));
    const file = join(data, 'next.key');
    const rotated = await countersign(data, ['rotate', '--data', data, '--new-key-file', file]);
    expect(rotated.code).toBe(0);
    expect(rotated.output).toContain('notary.masterKeyFile');
    expect(readFileSync(keyIn(data))).toEqual(old);
    copyFileSync(file, keyIn(data));
    await publishes(data, owner, 2);
  });

  it('rotate refuses a key that is not the one in use, and a key that it could not replace', async () => {
    const { data, stage } = await used();
    const before = wholeStore(stage);
    const wrong = join(data, 'wrong.key');
    await countersign(data, ['generate', wrong]);
    const refused = await countersign(data, ['rotate', '--data', data, '--output', 'json'], {
      COUNTERSIGN_MASTER_KEY_FILE: wrong,
    });
    expect(refused.code).toBe(3);
    expect(JSON.parse(refused.stdout)).toMatchObject({ error: { code: 'MASTER_KEY_WRONG' } });
    const text = readFileSync(keyIn(data), 'utf8').trim();
    const variable = await countersign(data, ['rotate', '--data', data], {
      COUNTERSIGN_MASTER_KEY: text,
    });
    expect(variable.code).toBe(2);
    expect(variable.output).toContain('--new-key-file');
    expect(variable.output).not.toContain(text);
    expect(wholeStore(stage)).toEqual(before);
    expect((await countersign(data, ['rotate', '--data', join(data, 'none')])).code).not.toBe(0);
  });

  it('rotate does not run beside the service', async () => {
    const { data } = await used();
    const masterKey = await loadMasterKey({ file: keyIn(data), make: false });
    const stage = await startNotary(data, { masterKey });
    const refused = await countersign(data, ['rotate', '--data', data, '--output', 'json']);
    expect(JSON.parse(refused.stdout)).toMatchObject({ error: { code: 'STORE_UNAVAILABLE' } });
    expect(await stage.notary.health()).toEqual({});
    await expect(startNotary(data, { masterKey })).rejects.toEqual(refusal('STORE_UNAVAILABLE'));
    await stage.close();
  });
});
