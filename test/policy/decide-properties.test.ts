import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Repository } from '../../src/oci/reference.ts';
import { decide } from '../../src/policy/decide.ts';
import type { Decision } from '../../src/policy/decision.ts';
import {
  NOW,
  DAY,
  REPOSITORY,
  DIGEST,
  SUBJECT,
  rule,
  judging,
  governing,
  BOTH,
  judge,
} from './judging.ts';

describe('any decision', () => {
  const name = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._+@-]{0,39}$/);
  const finding = fc.record({
    format: fc.constantFrom('cosign' as const, 'notation' as const),
    authority: fc.option(fc.oneof(name, fc.constantFrom('release-bot', 'security')), { nil: null }),
    keyId: fc.option(fc.constantFrom('k1', 'k2', 'k3'), { nil: null }),
    status: fc.constantFrom(
      'valid' as const,
      'invalid' as const,
      'absent' as const,
      'inconclusive' as const,
    ),
    reason: fc.string({ unit: 'binary', maxLength: 300 }),
    signed: fc.option(fc.constant({ repository: REPOSITORY, tag: '1.2' }), { nil: null }),
    signedAt: fc.option(fc.constant({ time: NOW, trusted: false }), { nil: null }),
    evidence: fc.constant(null),
    annotations: fc.constant({}),
  });
  const cases = fc.record({
    policy: name,
    by: fc.uniqueArray(fc.oneof(name, fc.constantFrom('release-bot', 'security')), {
      minLength: 1,
      maxLength: 64,
    }),
    rules: fc.integer({ min: 0, max: 16 }),
    findings: fc.array(finding, { maxLength: 70 }),
    path: fc.stringMatching(/^[a-z0-9]{1,80}(?:\/[a-z0-9]{1,70}){0,2}$/),
    tag: fc.option(fc.stringMatching(/^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/), { nil: null }),
    mode: fc.constantFrom('enforce' as const, 'warn' as const, 'off' as const),
    text: fc.string({ unit: 'binary', minLength: 1, maxLength: 300 }),
    excepted: fc.boolean(),
    revoked: fc.constantFrom('tag' as const, 'digest' as const, 'key' as const, null),
  });

  const decideCase = (c: typeof cases extends fc.Arbitrary<infer T> ? T : never): Decision => {
    const repository = `registry.example.com/${c.path}` as Repository;
    const expires = new Date(NOW.getTime() + DAY);
    const policy = judging({
      name: c.policy,
      mode: c.mode,
      require: Array.from({ length: c.rules }, () => rule({ by: c.by, atLeast: c.by.length })),
      exceptions: c.excepted
        ? [{ digest: DIGEST, reason: c.text, approvedBy: c.text, expires }]
        : [],
    });
    const revocation = {
      tag: [{ kind: 'tag' as const, repository, tag: c.tag ?? 'x', reason: c.text }],
      digest: [{ kind: 'digest' as const, repository, digest: DIGEST, reason: c.text }],
      key: [{ kind: 'key' as const, keyId: 'k1', reason: c.text }],
    };
    const revocations = c.revoked === null ? [] : revocation[c.revoked];
    const subject = { ...SUBJECT, repository, tag: c.tag, revocations };
    return decide({ ...policy, floors: [], revision: 'r' }, subject, c.findings, NOW);
  };

  it('has a message of one printable ASCII line of at most 180 characters, with digest and policy', () => {
    fc.assert(
      fc.property(cases, (c) => {
        const { reason } = decideCase(c);
        expect(reason.message).toMatch(/^[\x20-\x7e]{1,180}$/);
        expect(reason.message).toContain('(sha256:ab12cd34ef56)');
        const refused = reason.code === 'NOT_TRUSTED';
        expect(reason.message).toContain(refused ? `policy ${c.policy} ` : '');
        expect(reason.message).toContain(refused && c.rules > 0 ? c.by[0] : '');
      }),
      { numRuns: 2000 },
    );
  });

  it('allows with TRUSTED only what as many different authorities signed', () => {
    let trusted = 0;
    fc.assert(
      fc.property(cases, fc.integer({ min: 0, max: 3 }), (drawn, lacking) => {
        // Chance alone hardly ever has everybody sign: all but a few of those asked for do.
        const signatures = drawn.by.slice(lacking).map((authority) => ({
          format: 'cosign' as const,
          authority,
          keyId: 'k2' as const,
          status: 'valid' as const,
          reason: '',
          signed: { repository: REPOSITORY, tag: '1.2' as const },
          signedAt: null,
          evidence: null,
          annotations: {},
        }));
        const c = { ...drawn, findings: [...drawn.findings, ...signatures] };
        if (decideCase(c).reason.code !== 'TRUSTED') return;
        trusted++;
        const valid = c.findings.filter((each) => each.status === 'valid');
        const signers = new Set(valid.map((each) => each.authority));
        expect(c.by.filter((authority) => !signers.has(authority))).toEqual([]);
      }),
      { numRuns: 3000 },
    );
    expect(trusted).toBeGreaterThan(0);
  });

  it('never turns from deny to allow when a finding is taken away', () => {
    fc.assert(
      fc.property(cases, (c) => {
        const fewer = decideCase({ ...c, findings: c.findings.slice(1) });
        expect(decideCase(c).decision === 'deny' && fewer.decision === 'allow').toBe(false);
      }),
      { numRuns: 1000 },
    );
  });

  it('is the same for the same input, and leaves its input as it was', () => {
    const input = governing({}, { mode: 'warn' });
    const copy = structuredClone(input);
    expect(judge(input, BOTH)).toEqual(judge(input, BOTH));
    expect(input).toEqual(copy);
  });
});
