import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { unwrap } from '../../src/lib/result.ts';
import type { PolicyChange, PolicyWatch } from '../../src/policy/watch.ts';
import { watchPolicies } from '../../src/policy/watch.ts';
import { KEYS, OPTIONS, folderOf, policyFile, publicKeyPem } from './site.ts';

const GOOD = policyFile('require: [{ signatures: { by: [a] } }]');
const OTHER = policyFile('require: [{ signatures: { by: [b] } }]');
const SINCE = new Date('2026-06-01T00:00:00Z');

interface Watched {
  readonly dir: string;
  readonly watch: PolicyWatch;
  readonly changes: readonly PolicyChange[];
  readonly write: (name: string, text: string) => void;
}

/** Watches a folder; the interval is an hour where the test itself says when to look. */
async function watched(interval = 3_600_000): Promise<Watched> {
  const dir = folderOf({ ...KEYS, 'p.yaml': GOOD });
  const watch = unwrap(await watchPolicies(dir, { ...OPTIONS, interval, clock: () => SINCE }));
  onTestFinished(() => watch.close());
  const changes: PolicyChange[] = [];
  watch.onChange((change) => changes.push(change));
  return { dir, watch, changes, write: (name, text) => writeFileSync(join(dir, name), text) };
}

describe('a watched policy folder', () => {
  it('must load at first', async () => {
    const loaded = await watchPolicies(folderOf({ 'p.yaml': 'x' }), OPTIONS);
    expect(loaded.ok).toBe(false);
  });

  it('puts an edit in force, and tells whoever listens', async () => {
    const { watch, changes, write } = await watched();
    const before = watch.current();
    write('p.yaml', OTHER);
    await watch.refresh();
    expect(watch.current().policies[0]?.require[0]?.by).toEqual(['b']);
    expect(watch.current().revision).not.toBe(before.revision);
    expect(changes).toMatchObject([
      { kind: 'loaded', set: { revision: watch.current().revision } },
    ]);
    expect(before.policies[0]?.require[0]?.by).toEqual(['a']);
  });

  it('keeps the last good set through a broken edit, says so once, and recovers', async () => {
    const { watch, changes, write } = await watched();
    const good = watch.current();
    write('p.yaml', GOOD.replace('[a]', '[nobody]'));
    await watch.refresh();
    await watch.refresh();
    expect(watch.current()).toBe(good);
    expect(watch.problem()).toMatchObject({ since: SINCE });
    expect(watch.problem()?.message).toMatch(/expected a known authority, found "nobody"/);
    expect(changes.map((change) => change.kind)).toEqual(['broken']);
    write('p.yaml', GOOD);
    await watch.refresh();
    expect(watch.problem()).toBeNull();
    expect(watch.current()).toBe(good);
    write('p.yaml', OTHER);
    await watch.refresh();
    expect(changes.map((change) => change.kind)).toEqual(['broken', 'loaded']);
  });

  it('keeps the last good set when its folder goes away', async () => {
    const { dir, watch } = await watched();
    const good = watch.current();
    rmSync(dir, { recursive: true });
    await watch.refresh();
    expect(watch.current()).toBe(good);
    expect(watch.problem()?.message).toMatch(/no such folder/);
  });

  it('notices a key file that is exchanged', async () => {
    const { watch, write } = await watched();
    const before = watch.current().authorities[0]?.keys[0]?.id;
    write('keys/a.pub', publicKeyPem());
    await watch.refresh();
    expect(watch.current().authorities[0]?.keys[0]?.id).not.toBe(before);
  });

  it('notices when a key file that a broken edit named is mended in place', async () => {
    const { watch, write } = await watched();
    write('keys/new.pub', 'no key');
    write('p.yaml', GOOD.replace('keys/b.pub', 'keys/new.pub'));
    await watch.refresh();
    expect(watch.problem()?.message).toMatch(/new\.pub/);
    write('keys/new.pub', publicKeyPem());
    await watch.refresh();
    expect(watch.problem()).toBeNull();
    expect(watch.current().files).toContain('keys/new.pub');
  });

  it('notices when Kubernetes exchanges the link that all files go through', async () => {
    const dir = folderOf({ ...KEYS });
    for (const [name, text] of [
      ['..1', GOOD],
      ['..2', OTHER],
    ] as const) {
      mkdirSync(join(dir, name));
      writeFileSync(join(dir, name, 'p.yaml'), text);
    }
    symlinkSync('..1', join(dir, '..data'));
    symlinkSync('..data/p.yaml', join(dir, 'p.yaml'));
    const watch = unwrap(await watchPolicies(dir, { ...OPTIONS, interval: 3_600_000 }));
    onTestFinished(() => watch.close());
    symlinkSync('..2', join(dir, '..tmp'));
    renameSync(join(dir, '..tmp'), join(dir, '..data'));
    await watch.refresh();
    expect(watch.current().policies[0]?.require[0]?.by).toEqual(['b']);
  });

  it('looks by itself, also at several edits in a row', async () => {
    const { watch, write } = await watched(20);
    write('p.yaml', GOOD.replace('[a]', '['));
    write('p.yaml', OTHER);
    await vi.waitFor(() => expect(watch.current().policies[0]?.require[0]?.by).toEqual(['b']), {
      timeout: 20_000,
    });
  });

  it('tells nobody after it was closed, nor whoever stopped listening', async () => {
    const { watch, changes, write } = await watched();
    const heard: PolicyChange[] = [];
    const stop = watch.onChange((change) => heard.push(change));
    stop();
    write('p.yaml', OTHER);
    await watch.refresh();
    expect(heard).toEqual([]);
    watch.close();
    write('p.yaml', GOOD);
    await watch.refresh();
    expect(changes).toHaveLength(1);
  });
});
