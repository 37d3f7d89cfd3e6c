import { describe, expect, it } from 'vitest';
import { signatureAccepted, signatureOf } from '../../src/log/signature-events.ts';
import { finding } from '../support/decision.ts';
import { digestFor, repo } from '../support/store.ts';

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
