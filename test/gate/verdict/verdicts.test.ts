import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Decision } from '../../../src/policy/decision.ts';
import type { VerdictKey } from '../../../src/gate/verdict/verdicts.ts';
import { VerdictCache } from '../../../src/gate/verdict/verdicts.ts';
import { decision, finding } from '../../support/decision.ts';
import { digestFor, repo } from '../../support/store.ts';

const key = (over: Partial<VerdictKey> = {}): VerdictKey => ({
  action: 'pull',
  repository: repo('app'),
  digest: digestFor('app'),
  tag: '1.0',
  policyRevision: 'rev',
  trustRevision: 1,
  reader: 'gate',
  ...over,
});

/** A cache and the clock that it reads. */
function cache(): {
  readonly verdicts: VerdictCache;
  readonly keep: (key: VerdictKey, decision: Decision) => void;
  readonly later: (ms: number) => void;
} {
  let now = 1_700_000_000_000;
  const verdicts = new VerdictCache(() => new Date(now));
  return {
    verdicts,
    keep: (one, made) => verdicts.set(one, made, verdicts.epoch(one)),
    later: (ms) => {
      now += ms;
    },
  };
}

describe('remembered verdicts', () => {
  it('T-02, T-54, T-58: are found by all that they stand on, and by nothing less', () => {
    const { verdicts, keep } = cache();
    const own = decision();
    keep(key(), own);
    expect(verdicts.get(key())).toBe(own);
    for (const other of [
      { action: 'push' },
      { repository: repo('other') },
      { digest: digestFor('other') },
      { tag: '1.1' },
      { tag: null },
      { policyRevision: 'next' },
      { trustRevision: 2 },
    ] as const) {
      expect(verdicts.get(key(other))).toBeUndefined();
    }
  });

  it('T-02: are forgotten with their repository, and those on the way are not kept', () => {
    const { verdicts, keep } = cache();
    const kept = [key(), key({ tag: null, digest: digestFor('next') }), key({ action: 'push' })];
    for (const one of kept) keep(one, decision());
    const other = key({ repository: repo('app/below') });
    keep(other, decision());
    const epoch = verdicts.epoch(key());
    verdicts.forgetRepository(repo('app'));
    for (const one of kept) expect(verdicts.get(one)).toBeUndefined();
    expect(verdicts.get(other)).toBeDefined();
    // It was looked for before the trust data changed.
    verdicts.set(key(), decision(), epoch);
    expect(verdicts.get(key())).toBeUndefined();
    keep(key(), decision());
    expect(verdicts.get(key())).toBeDefined();
  });

  it('T-58: never collide, whatever names, tags and revisions are made of', () => {
    const word = fc.stringMatching(/^[a-z0-9._|:/@-]{0,6}$/);
    const some = fc.record({
      action: fc.constantFrom('pull' as const, 'push' as const),
      repository: word.map((w) => (repo('a') + w) as VerdictKey['repository']),
      digest: fc.constantFrom(digestFor('a'), digestFor('b')),
      tag: fc.option(word.filter((w) => w !== '')),
      policyRevision: word,
      trustRevision: fc.nat(20),
      reader: fc.constant('gate'),
    });
    fc.assert(
      fc.property(some, some, (one, two) => {
        const { verdicts, keep } = cache();
        keep(one, decision());
        const same = JSON.stringify(one) === JSON.stringify(two);
        expect(verdicts.get(two) !== undefined).toBe(same);
      }),
      { numRuns: 100 },
    );
  });

  it('last a minute, a refusal three seconds, and none longer than its evidence', () => {
    const { verdicts, keep, later } = cache();
    const evidence = new Date(1_700_000_000_000 + 10_000);
    keep(key(), decision());
    keep(key({ tag: '2' }), decision({ decision: 'deny', code: 'NOT_TRUSTED' }));
    keep(key({ tag: '3' }), { ...decision(), validUntil: evidence });
    const known = (): boolean[] =>
      ['1.0', '2', '3'].map((tag) => verdicts.get(key({ tag })) !== undefined);
    later(2_999);
    expect(known()).toEqual([true, true, true]);
    later(1);
    expect(known()).toEqual([true, false, true]);
    later(7_000);
    expect(known()).toEqual([true, false, false]);
    later(49_999);
    expect(known()).toEqual([true, false, false]);
    later(1);
    expect(known()).toEqual([false, false, false]);
  });

  it('that stand on evidence read for another question end when that one does', () => {
    const { verdicts, keep, later } = cache();
    keep(key({ tag: null }), decision());
    later(50_000);
    const end = verdicts.find(key({ tag: null }))?.usableUntil;
    verdicts.set(key(), decision(), verdicts.epoch(key()), end);
    later(9_999);
    expect(verdicts.get(key())).toBeDefined();
    later(1);
    expect(verdicts.get(key())).toBeUndefined();
  });

  it('T-57: are never "could not find out"', () => {
    const { verdicts, keep } = cache();
    keep(key(), decision({ decision: 'deny', code: 'CANNOT_VERIFY' }));
    expect(verdicts.get(key())).toBeUndefined();
    // Where a policy only warns, what could not be found out passes, and is asked for again.
    const warned = { decision: 'allow', code: 'WARNED' } as const;
    keep(key(), decision({ ...warned, findings: [finding({ status: 'inconclusive' })] }));
    expect(verdicts.get(key())).toBeUndefined();
    keep(key(), decision({ ...warned, findings: [finding({ status: 'absent' })] }));
    expect(verdicts.get(key())).toBeDefined();
  });

  it('hold for all where something was found, and for their reader where nothing was', () => {
    const { verdicts, keep, later } = cache();
    const mine = key({ reader: 'mine' });
    const theirs = key({ reader: 'theirs' });
    keep(mine, decision({ decision: 'deny', code: 'NOT_TRUSTED' }));
    expect(verdicts.get(mine)).toBeDefined();
    expect(verdicts.get(theirs)).toBeUndefined();
    keep(theirs, decision());
    expect(verdicts.get(mine)?.decision).toBe('allow');
    // A new refusal is found behind an allow that is past its time.
    later(60_000);
    keep(mine, decision({ decision: 'deny', code: 'NOT_TRUSTED' }));
    expect(verdicts.get(mine)?.decision).toBe('deny');
    expect(verdicts.get(theirs)).toBeUndefined();
    verdicts.forget(repo('app'), digestFor('app'));
    expect(verdicts.get(mine)).toBeUndefined();
  });

  it('are forgotten with their digest, those on the way included, and no other', () => {
    const { verdicts, keep } = cache();
    const other = key({ digest: digestFor('other') });
    const before = verdicts.epoch(key());
    const beforeOther = verdicts.epoch(other);
    keep(key(), decision());
    keep(key({ tag: null }), decision());
    keep(other, decision());
    verdicts.forget(repo('app'), digestFor('app'));
    expect(verdicts.get(key())).toBeUndefined();
    expect(verdicts.get(key({ tag: null }))).toBeUndefined();
    expect(verdicts.get(other)).toBeDefined();
    // Evidence that was read before it changed.
    verdicts.set(key(), decision(), before);
    expect(verdicts.get(key())).toBeUndefined();
    keep(key(), decision());
    expect(verdicts.get(key())).toBeDefined();
    const second = decision();
    verdicts.set(other, second, beforeOther);
    expect(verdicts.get(other)).toBe(second);
  });

  it('are not kept where so much was forgotten that nobody knows what', () => {
    const { verdicts } = cache();
    const before = verdicts.epoch(key());
    verdicts.forget(repo('app'), digestFor('app'));
    for (let n = 0; n < 20_000; n++) verdicts.forget(repo('app'), digestFor(`${n}`));
    verdicts.set(key(), decision(), before);
    expect(verdicts.get(key())).toBeUndefined();
  });

  it('of what nobody signed push out none of what was signed', () => {
    const { verdicts, keep } = cache();
    keep(key(), decision());
    const denied = decision({ decision: 'deny', code: 'NOT_TRUSTED' });
    for (let n = 0; n < 55_000; n++) keep(key({ digest: digestFor(`${n}`) }), denied);
    expect(verdicts.get(key())).toBeDefined();
  });

  it('are bounded: tags that a client invents push out their own subject only', () => {
    const { verdicts, keep } = cache();
    keep(key({ digest: digestFor('other') }), decision());
    for (let n = 0; n < 10_000; n++) keep(key({ tag: `t${n}` }), decision());
    const kept = Array.from({ length: 10_000 }, (_, n) => verdicts.get(key({ tag: `t${n}` })));
    expect(kept.filter((one) => one !== undefined).length).toBeLessThanOrEqual(256);
    expect(verdicts.get(key({ digest: digestFor('other') }))).toBeDefined();
  });
});
