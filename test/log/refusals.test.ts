import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Recorder } from '../../src/log/refusals.ts';
import { createRecorder } from '../../src/log/refusals.ts';
import { openSqliteStore } from '../../src/store/sqlite/sqlite-store.ts';
import type { Store, StoredEvent } from '../../src/store/store.ts';
import { decision, finding } from '../support/decision.ts';
import { suiteScope } from '../support/scope.ts';
import {
  allEvents,
  checkLog,
  digestFor,
  eventWrite,
  newHold,
  refusal,
  repo,
} from '../support/store.ts';

describe('the recorder of decisions', () => {
  const scope = suiteScope();
  let now = Date.UTC(2026, 0, 1);
  const clock = (): Date => new Date(now);
  let store: Store;
  let recorder: Recorder;

  beforeEach(async () => {
    const data = mkdtempSync(join(scope.folder(), 'data-'));
    store = await openSqliteStore({ data, clock, maxPages: 400 });
    recorder = createRecorder(store, clock);
  });
  afterEach(async () => {
    await recorder.close().catch(() => undefined);
    await store.close();
  });

  const deny = decision({ decision: 'deny', code: 'NOT_TRUSTED' });
  const types = async (): Promise<string[]> => (await checkLog(store)).map((one) => one.type);
  const summaries = (): Promise<readonly StoredEvent[]> =>
    store.events({ type: 'summary', limit: 100 });

  it('records a new verdict before it resolves, and counts its repeats', async () => {
    expect(await recorder.decision(decision(), 'alice')).toBe(0);
    expect(await types()).toEqual(['allow']);
    for (const who of ['alice', 'bob', 'anonymous'])
      expect(await recorder.decision(decision(), who)).toBe(0);
    recorder.repeat(0);
    expect(await types()).toEqual(['allow']);
    await recorder.flush();
    expect((await summaries()).map((one) => one.data)).toEqual([
      { from: now, to: now, repeats: [[0, 4]], unrecorded: 0 },
    ]);
    await recorder.flush();
    expect(await types()).toEqual(['allow', 'summary']);
  });

  it.each([
    ['another digest', { digest: digestFor('x') }],
    ['another repository', { repository: repo('x') }],
    ['another tag', { tag: null }],
    ['another action', { action: 'push' as const }],
    ['another reason', { code: 'WARNED' as const }],
  ])('takes %s for another verdict', async (_name, over) => {
    await recorder.decision(decision(), 'alice');
    expect(await recorder.decision(decision(over), 'alice')).toBe(1);
  });

  it('takes the same verdict after a revocation and its undoing for a new one', async () => {
    await recorder.decision(decision(), 'alice');
    const revocation = { kind: 'key', keyId: 'k', reason: 'r' } as const;
    await store.commit([{ kind: 'revoke', revocation, by: 'alice' }]);
    await store.commit([{ kind: 'unrevoke', revocation, by: 'alice' }]);
    expect(await recorder.decision(decision(), 'alice')).toBe(1);
  });

  it('records who gave a name, each time somebody else does', async () => {
    const push = decision({ action: 'push' });
    expect(await recorder.decision(push, 'alice')).toBe(0);
    expect(await recorder.decision(push, 'bob')).toBe(1);
    expect(await recorder.decision(push, 'alice')).toBe(0);
  });

  it('records the first refusal of an identity in a minute', async () => {
    expect(await recorder.decision(deny, 'alice')).toBe(0);
    expect(await recorder.decision(deny, 'bob')).toBe(1);
    now += 59_999;
    expect(await recorder.decision(deny, 'alice')).toBe(0);
    now += 1;
    expect(await recorder.decision(deny, 'alice')).toBe(2);
  });

  const revoked = { decision: 'deny', code: 'REVOKED', message: 'leaked credentials' } as const;
  it.each([
    ['another code', { ...revoked, code: 'NOT_TRUSTED' as const }],
    ['another reason', { ...revoked, message: 'key revoked' }],
    ['another tag', { ...revoked, tag: null }],
    ['another finding', { ...revoked, findings: [finding({ status: 'invalid' })] }],
  ])('points with a refusal for %s at a record that says so', async (_name, over) => {
    expect(await recorder.decision(decision(revoked), 'alice')).toBe(0);
    const other = decision(over);
    expect(await recorder.decision(other, 'alice')).toBe(1);
    const { code, message } = other.reason;
    expect((await allEvents(store))[1]).toMatchObject({
      tag: other.subject.tag,
      data: { code, message },
    });
    expect(await recorder.decision(decision(revoked), 'alice')).toBe(0);
  });

  it('points with a refusal under another revision of the policy at a record that says so', async () => {
    const policy = { name: 'production', revision: 'next' };
    expect(await recorder.decision(deny, 'alice')).toBe(0);
    expect(await recorder.decision({ ...deny, policy }, 'alice')).toBe(1);
  });

  it('T-67: keeps who asks by one invented tag after another from filling the disk', async () => {
    const flood = Array.from({ length: 1010 }, (_, n) =>
      recorder.decision(decision({ decision: 'deny', code: 'NOT_TRUSTED', tag: `t${n}` }), 'm'),
    );
    expect((await Promise.all(flood)).filter((one) => one === null)).toHaveLength(10);
  });

  it('writes one record for many who ask at once', async () => {
    const asked = Array.from({ length: 100 }, () => recorder.decision(decision(), 'alice'));
    expect(new Set(await Promise.all(asked))).toEqual(new Set([0]));
    await recorder.close();
    expect((await summaries())[0]?.data['repeats']).toEqual([[0, 99]]);
  });

  it('records with a verdict the signatures and the exception that it stands on, once', async () => {
    const exception = { digest: digestFor('app'), approvedBy: 'carol', reason: 'hotfix' };
    const findings = [
      finding(),
      finding({ status: 'absent', authority: null, keyId: null, evidence: null }),
    ];
    expect(await recorder.decision(decision({ findings, exception }), 'alice')).toBe(0);
    expect(await recorder.decision(decision({ findings, exception, tag: null }), 'bob')).toBe(1);
    const events = await checkLog(store);
    expect(events.map((one) => [one.type, one.actor])).toEqual([
      ['signature', 'countersign'],
      ['exception-used', 'countersign'],
      ['allow', 'alice'],
      ['allow', 'bob'],
    ]);
  });

  it('never gives an allow that it could not record; a refusal stays one, and is counted', async () => {
    const hold = newHold({ manifest: Buffer.alloc(50_000) });
    await expect(
      (async () => {
        for (let n = 0; ; n++)
          await store.commit([eventWrite(), { kind: 'hold-add', hold: { ...hold, tag: `t${n}` } }]);
      })(),
    ).rejects.toEqual(refusal('STORAGE_FULL'));
    await expect(
      (async () => {
        for (;;) await store.commit([eventWrite({ data: { text: 'x'.repeat(2000) } })]);
      })(),
    ).rejects.toEqual(refusal('STORAGE_FULL'));
    const findings = Array.from({ length: 16 }, () => finding({ reason: 'x'.repeat(200) }));
    const allow = decision({ findings });
    await expect(recorder.decision(allow, 'alice')).rejects.toEqual(refusal('STORAGE_FULL'));
    await expect(recorder.decision(allow, 'alice')).rejects.toEqual(refusal('STORAGE_FULL'));
    const refused = decision({ decision: 'deny', code: 'NOT_TRUSTED', findings });
    expect(await recorder.decision(refused, 'alice')).toBeNull();
    await store.commit([{ kind: 'hold-move', id: 1, from: 'waiting', to: 'expired' }]);
    expect(await recorder.decision(allow, 'alice')).not.toBeNull();
    await recorder.flush();
    expect((await summaries())[0]?.data).toMatchObject({ unrecorded: 1, repeats: [] });
  });

  it('refuses an allow when the store is closed', async () => {
    await store.close();
    await expect(recorder.decision(decision(), 'a')).rejects.toEqual(refusal('STORE_UNAVAILABLE'));
    expect(await recorder.decision(deny, 'a')).toBeNull();
    await expect(recorder.flush()).rejects.toEqual(refusal('STORE_UNAVAILABLE'));
  });

  it('keeps a flood of one identity from filling the disk, and does not forget to count it', async () => {
    const flood = Array.from({ length: 1010 }, (_, n) =>
      recorder.decision(
        decision({ decision: 'deny', code: 'NO_POLICY', digest: digestFor(`${n}`) }),
        'mallory',
      ),
    );
    const numbers = await Promise.all(flood);
    expect(numbers.filter((one) => one === null)).toHaveLength(10);
    expect(await recorder.decision(deny, 'alice')).toBe(1000);
    now += 60_000;
    expect(await recorder.decision(deny, 'mallory')).toBe(1001);
    await recorder.flush();
    expect((await summaries())[0]?.data).toMatchObject({ unrecorded: 10 });
  });

  it('names that a cluster gives its users are one identity together: making them up fills no disk', async () => {
    const flood = Array.from({ length: 1010 }, (_, n) =>
      recorder.decision(deny, `kubernetes:nobody-${n}`),
    );
    const numbers = await Promise.all(flood);
    expect(numbers.filter((one) => one === null)).toHaveLength(10);
    expect(await recorder.decision(deny, 'alice')).toBe(1000);
  });

  it('sums up any number of records, in as many events as it takes', async () => {
    for (let n = 0; n < 450; n++) for (let k = 0; k <= n % 3; k++) recorder.repeat(n);
    await recorder.flush();
    const events = (await allEvents(store)).filter((one) => one.type === 'summary');
    expect(events).toHaveLength(3);
    const pairs = events.flatMap((one) => one.data['repeats'] as readonly [number, number][]);
    expect(pairs).toEqual(Array.from({ length: 450 }, (_, n) => [n, (n % 3) + 1]));
  });
});
