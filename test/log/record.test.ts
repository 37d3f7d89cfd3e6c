import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  decided,
  exceptionUsed,
  held,
  holdExpired,
  keyRegistered,
  policyLoaded,
  policyRejected,
  promoted,
  promotionIntended,
  repeated,
  revocationUndone,
  revoked,
  signatureAccepted,
  signatureOf,
} from '../../src/log/record.ts';
import { encodeEvent } from '../../src/store/event-body.ts';
import type { Revocation } from '../../src/store/store.ts';
import { decision, finding } from '../support/decision.ts';
import { digestFor, newHold, repo } from '../support/store.ts';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const subject = { repository: repo('app'), digest: digestFor('app') };

describe('a signature in the record', () => {
  const fact = signatureOf(subject, finding());
  if (fact === null) throw new Error('expected a fact of a valid finding');

  it('says what was signed, in which format, with which key, for whom', () => {
    expect(signatureAccepted(fact, 'alice')).toMatchObject({
      log: 'sig',
      type: 'signature',
      ...subject,
      tag: '1.0',
      actor: 'alice',
      data: {
        format: 'cosign',
        keyId: 'key-1',
        authority: 'release-bot',
        payload: digestFor('payload'),
      },
    });
  });

  it('is the same one whoever brings it, and another one where any fact differs', () => {
    const key = (over: Partial<typeof fact>, actor = 'alice'): string =>
      hex(signatureAccepted({ ...fact, ...over }, actor).idempotencyKey);
    expect(key({}, 'bob')).toBe(key({}));
    const others = [
      { repository: repo('other') },
      { digest: digestFor('x') },
      { tag: null },
      { tag: 'x' },
      { format: 'notation' as const },
      { keyId: 'x' },
      { authority: 'x' },
      { payload: digestFor('x') },
    ];
    expect(new Set([{}, ...others].map((over) => key(over))).size).toBe(others.length + 1);
  });

  it('does not confuse names that only differ in where one ends', () => {
    const key = (keyId: string, authority: string): string =>
      hex(signatureAccepted({ ...fact, keyId, authority }, 'a').idempotencyKey);
    expect(key('a","b', 'c')).not.toBe(key('a', 'b","c'));
  });

  it('is only made of a valid finding with evidence', () => {
    for (const over of [
      { status: 'invalid' as const },
      { status: 'inconclusive' as const },
      { authority: null },
      { keyId: null },
      { evidence: null },
    ])
      expect(signatureOf(subject, finding(over))).toBeNull();
  });
});

describe('a decision in the record', () => {
  it('says who asked for what, under which policy, why, and on which findings', () => {
    const denied = decision({ decision: 'deny', code: 'NOT_TRUSTED', findings: [finding()] });
    expect(decided(denied, 'bob', 'n')).toMatchObject({
      log: 'dec',
      type: 'deny',
      ...subject,
      tag: '1.0',
      actor: 'bob',
      data: {
        action: 'pull',
        policy: { name: 'production', revision: 'rev' },
        code: 'NOT_TRUSTED',
        message: 'because',
        findings: [{ format: 'cosign', authority: 'release-bot', status: 'valid', keyId: 'key-1' }],
      },
    });
  });

  it('keeps what is valid in sight behind any heap of junk, and counts the rest', () => {
    const junk = Array.from({ length: 63 }, () => finding({ status: 'invalid', authority: null }));
    const { data } = decided(decision({ findings: [...junk, finding()] }), 'bob', 'n');
    expect(data['findings']).toHaveLength(16);
    expect(data).toMatchObject({ findings: { 0: { status: 'valid' } }, moreFindings: 48 });
  });

  it('fits into an event whatever the evidence says', () => {
    const text = fc.string({ unit: 'binary', maxLength: 2000 });
    fc.assert(
      fc.property(text, text, fc.integer({ min: 0, max: 64 }), (message, reason, count) => {
        const findings = Array.from({ length: count }, () => finding({ reason }));
        const event = decided(decision({ message, findings }), 'bob', 'n');
        expect(encodeEvent(event)).toMatchObject({ ok: true });
      }),
    );
    const worst = '\u0000'.repeat(2000);
    const findings = Array.from({ length: 64 }, () => finding({ reason: worst }));
    expect(encodeEvent(decided(decision({ message: worst, findings }), 'bob', 'n')).ok).toBe(true);
  });

  it('leaves sentences that fit as they are', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme-ascii', maxLength: 100 }), (message) => {
        expect(decided(decision({ message }), 'b', 'n').data['message']).toBe(message);
      }),
    );
  });

  it('names the exception that it used, once per policy revision', () => {
    const exception = { digest: digestFor('app'), approvedBy: 'carol', reason: 'hotfix' };
    const event = exceptionUsed(decision({ code: 'EXCEPTION', exception }));
    expect(event).toMatchObject({
      log: 'sig',
      type: 'exception-used',
      data: {
        approvedBy: 'carol',
        reason: 'hotfix',
        policy: { name: 'production', revision: 'rev' },
      },
    });
    expect(exceptionUsed(decision({ code: 'EXCEPTION', exception, action: 'push' }))).toEqual(
      event,
    );
    expect(exceptionUsed(decision())).toBeNull();
  });
});

describe('other events', () => {
  const hold = { ...newHold(), id: 7, state: 'waiting' as const };
  const revocation: Revocation = { kind: 'key', keyId: 'k', reason: 'lost' };
  const all = [
    revoked(revocation, 'alice', 'n'),
    revocationUndone(revocation, 'alice', 'n'),
    revoked({ kind: 'tag', repository: repo('app'), tag: '1.0', reason: 'r' }, 'alice', 'm'),
    held(hold),
    promotionIntended(hold, decision(), 'alice', '1'),
    promotionIntended(hold, decision(), 'alice', '2'),
    promoted(hold),
    holdExpired(hold),
    policyLoaded(
      { revision: 'r', files: Array.from({ length: 500 }, (_, n) => `${n}ü`.repeat(90)) },
      'n',
    ),
    policyRejected({ message: 'x'.repeat(5000), kept: 'r' }, 'n'),
    keyRegistered({ authority: 'a', keyId: 'k', keyType: 'ed25519' }),
    repeated(
      Array.from({ length: 200 }, (_, n) => ({ record: 1e15 + n, count: 1e12 })),
      { from: 1, to: 2 },
      3,
      'n',
    ),
  ];

  it('fit, and have keys of their own', () => {
    for (const event of all) expect(encodeEvent(event)).toMatchObject({ ok: true });
    expect(new Set(all.map((event) => hex(event.idempotencyKey))).size).toBe(all.length);
  });

  it('of a key name it; of a tag name the tag', () => {
    expect(all[0]).toMatchObject({
      type: 'revocation',
      repository: null,
      data: { kind: 'key', keyId: 'k' },
    });
    expect(all[1]).toMatchObject({ type: 'revocation-undone' });
    expect(all[2]).toMatchObject({ repository: repo('app'), tag: '1.0', digest: null });
  });

  it('of a hold never hold its bytes', () => {
    expect(JSON.stringify(held(hold).data)).not.toContain('manifest"');
    expect(held(hold)).toMatchObject({ actor: 'ci', tag: '1.0', digest: hold.digest });
  });
});
