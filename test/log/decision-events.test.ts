import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decided, exceptionUsed } from '../../src/log/decision-events.ts';
import { encodeEvent } from '../../src/store/event-body.ts';
import { decision, finding } from '../support/decision.ts';
import { digestFor, repo } from '../support/store.ts';

const subject = { repository: repo('app'), digest: digestFor('app') };

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
