import { describe, expect, it } from 'vitest';
import type { Digest } from '../../src/oci/digest.ts';
import type { Repository } from '../../src/oci/reference.ts';
import type { Finding } from '../../src/trust/format.ts';
import {
  NOW,
  HOUR,
  DAY,
  REPOSITORY,
  DIGEST,
  IMAGE,
  rule,
  governing,
  signed,
  unreadable,
  BOTH,
  verdict,
  judge,
} from './judging.ts';

describe('a decision', () => {
  it('denies what no policy governs', () => {
    expect(judge(null, BOTH)).toEqual({
      decision: 'deny',
      subject: { action: 'pull', repository: REPOSITORY, digest: DIGEST, tag: '1.2' },
      policy: null,
      reason: {
        code: 'NO_POLICY',
        message: `${IMAGE} denied: no policy governs it; add one whose images match it`,
      },
      findings: BOTH,
      validUntil: null,
      exception: null,
    });
  });

  it('allows what is signed as required, and says by whom', () => {
    const decision = judge(governing(), BOTH);
    expect(verdict(decision)).toBe('allow TRUSTED');
    expect(decision.policy).toEqual({ name: 'production', revision: 'r1' });
    expect(decision.reason.message).toBe(
      `${IMAGE} signed by release-bot, security as policy production asks`,
    );
    expect(decision.validUntil).toBeNull();
  });

  it('denies in the words that the design promises', () => {
    const decision = judge(governing(), [signed('release-bot')]);
    expect(decision.reason).toEqual({
      code: 'NOT_TRUSTED',
      message: `${IMAGE} not signed: policy production needs 2 of release-bot, security; found release-bot (cosign)`,
    });
    expect(judge(governing(), []).reason.message).toMatch(/; found none$/);
  });

  it('counts authorities, not keys and not signatures', () => {
    const twice = [signed('release-bot'), signed('release-bot', { keyId: 'second key' })];
    expect(verdict(judge(governing(), twice))).toBe('deny NOT_TRUSTED');
    expect(verdict(judge(governing({ require: [rule({ atLeast: 1 })] }), twice))).toBe(
      'allow TRUSTED',
    );
  });

  it('holds every rule', () => {
    const rules = [
      rule({ by: ['release-bot'], atLeast: 1 }),
      rule({ by: ['security'], atLeast: 1 }),
    ];
    expect(verdict(judge(governing({ require: rules }), BOTH))).toBe('allow TRUSTED');
    const decision = judge(governing({ require: rules }), []);
    expect(decision.reason.message).toMatch(/needs release-bot \(and 1 more\); found none$/);
  });

  it('takes an empty list of rules for one that nothing meets', () => {
    const decision = judge(governing({ require: [] }), BOTH);
    expect(verdict(decision)).toBe('deny NOT_TRUSTED');
    expect(decision.reason.message).toMatch(/requires nothing, which nothing can meet$/);
    expect(verdict(judge(governing({ require: [], mode: 'warn' }), BOTH))).toBe('allow WARNED');
    expect(verdict(judge(governing({ require: [] }), [unreadable()]))).toBe('deny NOT_TRUSTED');
  });

  it.each<[string, Partial<Finding>, string]>([
    ['invalid', { status: 'invalid' }, 'found release-bot (cosign)'],
    ['absent', { status: 'absent', authority: null }, 'found release-bot (cosign)'],
    ['by nobody known', { authority: null }, 'found release-bot (cosign)'],
    ['by somebody else', { authority: 'mallory' }, 'mallory (cosign, not asked for)'],
    ['in another format', { format: 'notation' }, 'security (notation, wrong format)'],
    [
      'for another repository',
      { signed: { repository: 'registry.example.com/prod/other' as Repository, tag: '1.2' } },
      'security (cosign, other name)',
    ],
    ['for no name', { signed: null }, 'security (cosign, no name)'],
    ['without a key', { keyId: null }, 'security (cosign, key revoked)'],
  ])('does not count a signature that is %s', (_, more, shown) => {
    const decision = judge(governing(), [signed('release-bot'), signed('security', more)]);
    expect(decision.decision).toBe('deny');
    expect(decision.reason.message).toContain(shown);
  });

  it('says what to add to a signature that names no repository, where the line has room', () => {
    const alone = governing({ require: [rule({ by: ['release-bot'], atLeast: 1 })] });
    const found = [signed('release-bot', { signed: null })];
    expect(judge(alone, found).reason.message).toMatch(
      /; found release-bot \(cosign, no name: add -a dev\.countersign\.reference=IMAGE\)$/,
    );
    const repository = `registry.example.com/prod/${'a'.repeat(90)}` as Repository;
    const { message } = judge(alone, found, { repository }).reason;
    expect(message).toMatch(/; found release-bot \(cosign, no name\)$/);
    expect(message.length).toBeLessThanOrEqual(180);
  });

  it('says how many signatures did not verify where nothing else was found', () => {
    const decision = judge(governing(), [
      signed('release-bot', { status: 'invalid', authority: null }),
    ]);
    expect(decision.reason.message).toMatch(/; found 1 that did not verify$/);
  });

  it('under bindTag counts only signatures that name the tag, but any for a digest', () => {
    const bound = governing({
      bindTag: true,
      require: [rule({ by: ['release-bot'], atLeast: 1 })],
    });
    const naming = (tag: string | null): Finding[] => [
      signed('release-bot', { signed: { repository: REPOSITORY, tag } }),
    ];
    expect(verdict(judge(bound, naming('1.2')))).toBe('allow TRUSTED');
    expect(judge(bound, naming('1.1')).reason.message).toMatch(/other tag\)$/);
    expect(judge(bound, naming(null)).reason.message).toMatch(/no tag\)$/);
    expect(verdict(judge(bound, naming('1.1'), { tag: null }))).toBe('allow TRUSTED');
    expect(verdict(judge(bound, naming(null), { tag: null }))).toBe('allow TRUSTED');
  });
});

describe('maxAge', () => {
  const young = governing({ require: [rule({ maxAge: 90 * DAY })] });
  const aged = (age: number | null): readonly Finding[] => [
    signed('release-bot'),
    signed('security', {
      signedAt: age === null ? null : { time: new Date(NOW.getTime() - age), trusted: false },
    }),
  ];

  it.each<[string, number | null, string]>([
    ['just young enough', 90 * DAY, 'allow TRUSTED'],
    ['a moment too old', 90 * DAY + 1, 'deny NOT_TRUSTED'],
    ['within the skew of clocks', -5 * 60_000, 'allow TRUSTED'],
    ['in the future', -5 * 60_000 - 1, 'deny NOT_TRUSTED'],
    ['at no time', null, 'deny NOT_TRUSTED'],
    ['at a time that is none', Number.NaN, 'deny NOT_TRUSTED'],
  ])('of a signature made %s', (_, age, expected) => {
    expect(verdict(judge(young, aged(age)))).toBe(expected);
  });

  it('does not matter where the policy does not ask', () => {
    for (const age of [null, -DAY, 5000 * DAY]) {
      expect(verdict(judge(governing(), aged(age)))).toBe('allow TRUSTED');
    }
  });

  it('says why', () => {
    expect(judge(young, aged(91 * DAY)).reason.message).toMatch(
      /found security \(cosign, too old\), release-bot \(cosign\)$/,
    );
    expect(judge(young, aged(-DAY)).reason.message).toMatch(/security \(cosign, future date\)/);
    expect(judge(young, aged(null)).reason.message).toMatch(/security \(cosign, no signing time\)/);
  });

  it('ends the verdict when too few signatures are left', () => {
    const ages = [10 * DAY, 20 * DAY, 30 * DAY];
    const names = ['a', 'b', 'c'];
    const findings = names.map((name, i) =>
      signed(name, { signedAt: { time: new Date(NOW.getTime() - (ages[i] ?? 0)), trusted: true } }),
    );
    const two = governing({ require: [rule({ by: names, atLeast: 2, maxAge: 90 * DAY })] });
    const decision = judge(two, findings);
    expect(decision.validUntil).toEqual(new Date(NOW.getTime() + 70 * DAY));
    const last = decision.validUntil as Date;
    expect(verdict(judge(two, findings, {}, last))).toBe('allow TRUSTED');
    expect(verdict(judge(two, findings, {}, new Date(last.getTime() + 1)))).toBe(
      'deny NOT_TRUSTED',
    );
    // A younger signature of the same authority makes it last longer, an older one does not matter.
    const renewed = [
      ...findings,
      signed('b'),
      signed('a', { signedAt: { time: new Date(NOW.getTime() - 80 * DAY), trusted: false } }),
    ];
    expect(judge(two, renewed).validUntil).toEqual(new Date(NOW.getTime() + 80 * DAY));
  });

  it('of several rules ends the verdict with the first that ends', () => {
    const rules = [
      rule({ by: ['release-bot'], atLeast: 1, maxAge: 5 * DAY }),
      rule({ by: ['security'], atLeast: 1, maxAge: 3 * DAY }),
      rule({ by: ['security'], atLeast: 1 }),
    ];
    expect(judge(governing({ require: rules }), BOTH).validUntil).toEqual(
      new Date(NOW.getTime() + 3 * DAY - HOUR),
    );
  });
});

describe('evidence that could not be read', () => {
  it('is 503 where it could have been enough, and never an allow', () => {
    const decision = judge(governing(), [signed('release-bot'), unreadable()]);
    expect(verdict(decision)).toBe('deny CANNOT_VERIFY');
    expect(decision.reason.message).toBe(
      `${IMAGE} cannot be verified: policy production needs 2 of release-bot, security; the registry did not answer; try again`,
    );
  });

  it('does not matter where enough was read', () => {
    expect(verdict(judge(governing(), [...BOTH, unreadable()]))).toBe('allow TRUSTED');
  });

  it.each<[string, Partial<Finding>]>([
    ['is of another format', { format: 'notation' }],
    ['is of an authority that does not help', { authority: 'mallory' }],
    ['is of an authority that was counted already', { authority: 'release-bot' }],
    ['is of a revoked key', { authority: 'security', keyId: 'lost' }],
  ])('is a plain no where it %s', (_, more) => {
    const revocations = [{ kind: 'key' as const, keyId: 'lost', reason: 'lost' }];
    const decision = judge(governing(), [signed('release-bot'), unreadable(more)], { revocations });
    expect(verdict(decision)).toBe('deny NOT_TRUSTED');
  });

  it('is 503 where it is of the one authority that is missing', () => {
    const findings = [signed('release-bot'), unreadable({ authority: 'security' })];
    expect(verdict(judge(governing(), findings))).toBe('deny CANNOT_VERIFY');
  });

  it('is a plain no where another rule cannot be met anyway', () => {
    const rules = [rule(), rule({ by: ['qa'], atLeast: 1, formats: ['notation'] })];
    expect(verdict(judge(governing({ require: rules }), [unreadable()]))).toBe('deny NOT_TRUSTED');
  });

  it('is 503 where one rule is met and the other could be', () => {
    const rules = [
      rule({ by: ['release-bot'], atLeast: 1 }),
      rule({ by: ['security'], atLeast: 1 }),
    ];
    const findings = [signed('release-bot'), unreadable()];
    expect(verdict(judge(governing({ require: rules }), findings))).toBe('deny CANNOT_VERIFY');
  });

  it('is a warning where the policy warns', () => {
    const decision = judge(governing({ mode: 'warn' }), [unreadable()]);
    expect(verdict(decision)).toBe('allow WARNED');
    expect(decision.reason.message).toMatch(/cannot be verified/);
  });
});

describe('the mode', () => {
  it('warn lets through with the message of the refusal', () => {
    const enforced = judge(governing(), []);
    const warned = judge(governing({ mode: 'warn' }), []);
    expect(verdict(warned)).toBe('allow WARNED');
    expect(warned.reason.message).toBe(enforced.reason.message);
    expect(warned.validUntil).toBeNull();
    expect(verdict(judge(governing({ mode: 'warn' }), BOTH))).toBe('allow TRUSTED');
  });

  it('off does not look', () => {
    const decision = judge(governing({ mode: 'off' }), BOTH);
    expect(verdict(decision)).toBe('allow OFF');
    expect(decision.reason.message).toBe(`${IMAGE} not looked at: policy production is off`);
  });
});

describe('a push', () => {
  it('is judged as a pull is', () => {
    for (const push of ['reject', 'hold'] as const) {
      expect(verdict(judge(governing({ push }), [], { action: 'push' }))).toBe('deny NOT_TRUSTED');
      expect(verdict(judge(governing({ push }), BOTH, { action: 'push' }))).toBe('allow TRUSTED');
    }
  });

  it('under push: allow is let through with a warning, and the pull is not', () => {
    const open = governing({ push: 'allow' });
    expect(verdict(judge(open, [], { action: 'push' }))).toBe('allow WARNED');
    expect(verdict(judge(open, [unreadable()], { action: 'push' }))).toBe('allow WARNED');
    expect(verdict(judge(open, []))).toBe('deny NOT_TRUSTED');
  });
});

describe('an exception', () => {
  const exception = {
    digest: DIGEST,
    reason: 'vendor image',
    approvedBy: 'alice',
    expires: new Date(NOW.getTime() + DAY),
  };
  const excepted = governing({ exceptions: [exception] });

  it('lets its digest through until it ends, and is in the decision', () => {
    const decision = judge(excepted, []);
    expect(verdict(decision)).toBe('allow EXCEPTION');
    expect(decision.exception).toEqual({
      digest: DIGEST,
      reason: 'vendor image',
      approvedBy: 'alice',
    });
    expect(decision.validUntil).toEqual(new Date(exception.expires.getTime() - 1));
    expect(decision.reason.message).toBe(
      `${IMAGE} excepted in policy production until 2026-06-02 by alice: vendor image`,
    );
    const last = decision.validUntil as Date;
    expect(verdict(judge(excepted, [], {}, last))).toBe('allow EXCEPTION');
    expect(verdict(judge(excepted, [], {}, exception.expires))).toBe('deny NOT_TRUSTED');
  });

  it('T-40, T-41: is not used for what is signed, nor for another digest', () => {
    expect(judge(excepted, BOTH)).toMatchObject({ reason: { code: 'TRUSTED' }, exception: null });
    const digest = `sha256:${'1'.repeat(64)}` as Digest;
    expect(verdict(judge(excepted, [], { digest }))).toBe('deny NOT_TRUSTED');
  });

  it('T-40, T-41: of another policy excuses nothing here, nor of a floor under a narrower policy', () => {
    // What governs is one policy; its exceptions are the only ones that are looked at.
    expect(verdict(judge(governing({}, { exceptions: [exception], mode: 'warn' }), []))).toBe(
      'deny NOT_TRUSTED',
    );
  });

  it('T-40: does not except from a floor', () => {
    const above = governing({ exceptions: [exception] }, {});
    expect(verdict(judge(above, []))).toBe('deny NOT_TRUSTED');
    expect(judge(above, []).exception).toBeNull();
  });

  it('is named although a floor warns', () => {
    const decision = judge(governing({ exceptions: [exception] }, { mode: 'warn' }), []);
    expect(verdict(decision)).toBe('allow WARNED');
    expect(decision.exception).toMatchObject({ approvedBy: 'alice' });
  });
});

describe('a revocation', () => {
  const tag = { kind: 'tag' as const, repository: REPOSITORY, tag: '1.2', reason: 'broken build' };
  const digest = { kind: 'digest' as const, repository: REPOSITORY, digest: DIGEST, reason: 'CVE' };
  const key = { kind: 'key' as const, keyId: 'key of security', reason: 'stolen' };
  const expires = new Date(NOW.getTime() + DAY);
  const policies = [
    governing(),
    governing({ mode: 'warn' }),
    governing({ mode: 'off' }),
    governing({ push: 'allow' }),
    governing({ exceptions: [{ digest: DIGEST, reason: 'x', approvedBy: 'x', expires }] }),
  ];

  it('of the digest or tag beats signatures, exceptions and every mode', () => {
    for (const policy of policies) {
      for (const action of ['pull', 'push'] as const) {
        expect(verdict(judge(policy, BOTH, { action, revocations: [key, digest] }))).toBe(
          'deny REVOKED',
        );
        expect(verdict(judge(policy, BOTH, { action, revocations: [tag] }))).toBe('deny REVOKED');
      }
    }
  });

  it('says what was withdrawn, and how it comes back', () => {
    expect(judge(governing(), BOTH, { revocations: [tag] }).reason.message).toBe(
      `${IMAGE} revoked: trust in the tag was withdrawn (broken build); countersign revoke --undo restores it`,
    );
    expect(judge(governing(), BOTH, { revocations: [digest], tag: null }).reason.message).toBe(
      'registry.example.com/prod/app (sha256:ab12cd34ef56) revoked: trust in the digest was withdrawn (CVE); countersign revoke --undo restores it',
    );
  });

  it('does not concern other tags, digests and repositories', () => {
    const other = 'registry.example.com/prod/other' as Repository;
    const revocations = [
      { ...tag, tag: '1.1' },
      { ...tag, repository: other },
      { ...digest, digest: `sha256:${'1'.repeat(64)}` as Digest },
      { ...digest, repository: other },
      { ...key, keyId: 'another key' },
    ];
    expect(verdict(judge(governing(), BOTH, { revocations }))).toBe('allow TRUSTED');
    expect(verdict(judge(governing(), BOTH, { revocations: [tag], tag: null }))).toBe(
      'allow TRUSTED',
    );
  });

  it('of a key voids what it signed, and says so', () => {
    const decision = judge(governing(), BOTH, { revocations: [key] });
    expect(verdict(decision)).toBe('deny REVOKED');
    expect(decision.reason.message).toMatch(
      /found security \(cosign, key revoked\), release-bot \(cosign\)$/,
    );
    const second = signed('security', { keyId: 'second key' });
    expect(verdict(judge(governing(), [...BOTH, second], { revocations: [key] }))).toBe(
      'allow TRUSTED',
    );
  });

  it('of a key is not the reason where the signature would not have counted anyway', () => {
    const findings = [
      signed('security', { signed: { repository: 'x.example.com/y' as Repository, tag: null } }),
    ];
    expect(verdict(judge(governing(), findings, { revocations: [key] }))).toBe('deny NOT_TRUSTED');
  });

  it('of a key is the reason only where every other rule is met', () => {
    const rules = [rule(), rule({ by: ['release-bot'], atLeast: 1 })];
    expect(verdict(judge(governing({ require: rules }), BOTH, { revocations: [key] }))).toBe(
      'deny REVOKED',
    );
  });
});

describe('a floor', () => {
  it('holds besides the policy, by its own mode', () => {
    const qa = rule({ by: ['qa'], atLeast: 1 });
    expect(verdict(judge(governing({}, { require: [qa] }), BOTH))).toBe('deny NOT_TRUSTED');
    expect(verdict(judge(governing({}, { require: [qa] }), [...BOTH, signed('qa')]))).toBe(
      'allow TRUSTED',
    );
    expect(verdict(judge(governing({}, { require: [qa], mode: 'warn' }), BOTH))).toBe(
      'allow WARNED',
    );
    expect(verdict(judge(governing({}, { require: [qa], mode: 'off' }), BOTH))).toBe(
      'allow TRUSTED',
    );
    expect(verdict(judge(governing({ mode: 'off' }, { require: [qa] }), BOTH))).toBe(
      'deny NOT_TRUSTED',
    );
    expect(verdict(judge(governing({ mode: 'warn' }, {}), BOTH))).toBe('allow TRUSTED');
  });

  it('names itself in the message, and the policy stays the governing one', () => {
    const decision = judge(governing({ mode: 'off' }, {}), []);
    expect(decision.reason.message).toMatch(/not signed: policy baseline needs/);
    expect(decision.policy?.name).toBe('production');
  });

  it('makes a plain no of a no that a retry might change', () => {
    const unsure = { require: [rule({ formats: ['cosign' as const] })] };
    const never = { require: [rule({ by: ['qa'], atLeast: 1, formats: ['notation' as const] })] };
    expect(verdict(judge(governing(unsure, never), [unreadable()]))).toBe('deny NOT_TRUSTED');
    expect(verdict(judge(governing(never, unsure), [unreadable()]))).toBe('deny NOT_TRUSTED');
    expect(verdict(judge(governing(unsure, { mode: 'warn' }), [unreadable()]))).toBe(
      'deny CANNOT_VERIFY',
    );
  });

  it('ends the verdict with the first that ends', () => {
    const decision = judge(
      governing({ require: [rule({ maxAge: 9 * DAY })] }, { require: [rule({ maxAge: 4 * DAY })] }),
      BOTH,
    );
    expect(decision.validUntil).toEqual(new Date(NOW.getTime() + 4 * DAY - HOUR));
  });

  it('is not opened by push: allow of the policy', () => {
    const decision = judge(governing({ push: 'allow' }, {}), [], { action: 'push' });
    expect(verdict(decision)).toBe('deny NOT_TRUSTED');
  });
});
