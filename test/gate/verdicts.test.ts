import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { VerdictKey } from '../../src/gate/verdicts.ts';
import { VerdictCache } from '../../src/gate/verdicts.ts';
import { decision } from '../support/decision.ts';
import { digestFor, repo } from '../support/store.ts';

const key = (over: Partial<VerdictKey> = {}): VerdictKey => ({
  action: 'pull',
  repository: repo('app'),
  digest: digestFor('app'),
  tag: '1.0',
  policyRevision: 'rev',
  trustRevision: 1,
  ...over,
});

/** A cache and the clock that it reads. */
function cache(): { readonly verdicts: VerdictCache; readonly later: (ms: number) => void } {
  let now = 1_700_000_000_000;
  return {
    verdicts: new VerdictCache(() => new Date(now)),
    later: (ms) => {
      now += ms;
    },
  };
}

describe('remembered verdicts', () => {
  it('T-02, T-54, T-58: are found by all that they stand on, and by nothing less', () => {
    const { verdicts } = cache();
    const own = decision();
    verdicts.set(key(), own, verdicts.epoch());
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

  it('T-58: never collide, whatever names, tags and revisions are made of', () => {
    const word = fc.stringMatching(/^[a-z0-9._|:/@-]{0,6}$/);
    const some = fc.record({
      action: fc.constantFrom('pull' as const, 'push' as const),
      repository: word.map((w) => (repo('a') + w) as VerdictKey['repository']),
      digest: fc.constantFrom(digestFor('a'), digestFor('b')),
      tag: fc.option(word.filter((w) => w !== '')),
      policyRevision: word,
      trustRevision: fc.nat(20),
    });
    fc.assert(
      fc.property(some, some, (one, two) => {
        const { verdicts } = cache();
        verdicts.set(one, decision(), verdicts.epoch());
        const same = JSON.stringify(one) === JSON.stringify(two);
        expect(verdicts.get(two) !== undefined).toBe(same);
      }),
      { numRuns: 100 },
    );
  });

  it('last a minute, a refusal three seconds, and none longer than its evidence', () => {
    const { verdicts, later } = cache();
    const evidence = new Date(1_700_000_000_000 + 10_000);
    verdicts.set(key(), decision(), verdicts.epoch());
    verdicts.set(
      key({ tag: '2' }),
      decision({ decision: 'deny', code: 'NOT_TRUSTED' }),
      verdicts.epoch(),
    );
    verdicts.set(key({ tag: '3' }), { ...decision(), validUntil: evidence }, verdicts.epoch());
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

  it('T-57: are never "could not find out"', () => {
    const { verdicts } = cache();
    verdicts.set(key(), decision({ decision: 'deny', code: 'CANNOT_VERIFY' }), verdicts.epoch());
    expect(verdicts.get(key())).toBeUndefined();
  });

  it('are forgotten with their digest, those on the way included', () => {
    const { verdicts } = cache();
    const before = verdicts.epoch();
    verdicts.set(key(), decision(), before);
    verdicts.set(key({ tag: null }), decision(), before);
    verdicts.set(key({ digest: digestFor('other') }), decision(), before);
    verdicts.forget(repo('app'), digestFor('app'));
    expect(verdicts.get(key())).toBeUndefined();
    expect(verdicts.get(key({ tag: null }))).toBeUndefined();
    expect(verdicts.get(key({ digest: digestFor('other') }))).toBeDefined();
    // Evidence that was read before it changed.
    verdicts.set(key(), decision(), before);
    expect(verdicts.get(key())).toBeUndefined();
    verdicts.set(key(), decision(), verdicts.epoch());
    expect(verdicts.get(key())).toBeDefined();
  });

  it('give the last allow for a grace, if its evidence still stands, and never a refusal', () => {
    const { verdicts, later } = cache();
    const evidence = new Date(1_700_000_000_000 + 100_000);
    verdicts.set(key(), decision(), verdicts.epoch());
    verdicts.set(
      key({ tag: '2' }),
      decision({ decision: 'deny', code: 'NOT_TRUSTED' }),
      verdicts.epoch(),
    );
    verdicts.set(key({ tag: '3' }), { ...decision(), validUntil: evidence }, verdicts.epoch());
    later(99_999);
    const last = (tag: string, grace: number): boolean =>
      verdicts.lastAllow(key({ tag }), grace) !== undefined;
    expect([last('1.0', 100_000), last('1.0', 99_999), last('1.0', 0)]).toEqual([
      true,
      false,
      false,
    ]);
    expect([last('2', 100_000), last('3', 200_000)]).toEqual([false, true]);
    later(1);
    expect(last('3', 200_000)).toBe(false);
    expect(verdicts.lastAllow(key({ trustRevision: 2 }), 200_000)).toBeUndefined();
  });

  it('are bounded: tags that a client invents push out their own subject only', () => {
    const { verdicts } = cache();
    verdicts.set(key({ digest: digestFor('other') }), decision(), verdicts.epoch());
    for (let n = 0; n < 10_000; n++)
      verdicts.set(key({ tag: `t${n}` }), decision(), verdicts.epoch());
    const kept = Array.from({ length: 10_000 }, (_, n) => verdicts.get(key({ tag: `t${n}` })));
    expect(kept.filter((one) => one !== undefined).length).toBeLessThanOrEqual(256);
    expect(verdicts.get(key({ digest: digestFor('other') }))).toBeDefined();
  });
});
