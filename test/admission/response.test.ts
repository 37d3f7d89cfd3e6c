import { describe, expect, it } from 'vitest';
import type { JudgedUse } from '../../src/admission/admit.ts';
import { answerOf } from '../../src/admission/response.ts';
import { refusal } from '../../src/admission/verdict.ts';
import type { ErrorCode } from '../../src/lib/errors.ts';
import { refused } from '../../src/gate/outcome.ts';

const use = (n: number): JudgedUse['use'] => ({
  pointer: `/spec/containers/${n}/image`,
  slot: `containers\n${n}`,
  label: `container c${n}`,
  image: 'a',
});
const allowed = (n: number, warnings: readonly string[] = [], pinned: string | null = null) => ({
  use: use(n),
  verdict: { allowed: true, warnings, pinned, standsOn: 'TRUSTED' } as const,
});
const denied = (n: number, code: ErrorCode, message = 'no'): JudgedUse => ({
  use: use(n),
  verdict: refusal({ code, message }),
});
const respond = (...images: readonly JudgedUse[]) => answerOf('u-1', { kind: 'judged', images });
const responseOf = (answer: ReturnType<typeof answerOf>) =>
  answer.body['response'] as {
    readonly allowed: boolean;
    readonly status?: { readonly code: number; readonly message: string };
    readonly warnings?: readonly string[];
    readonly patch?: string;
    readonly auditAnnotations?: Readonly<Record<string, string>>;
  };

describe('the answer to a review', () => {
  it('allows only where every image was allowed', () => {
    expect(responseOf(respond())).toEqual({ uid: 'u-1', allowed: true });
    expect(responseOf(respond(allowed(0), allowed(1))).allowed).toBe(true);
    expect(responseOf(respond(allowed(0), denied(1, 'NOT_TRUSTED'))).allowed).toBe(false);
    const whole = answerOf('u-1', refused('UNSUPPORTED', 'what is this'));
    expect(responseOf(whole)).toMatchObject({
      allowed: false,
      status: { status: 'Failure', code: 403, reason: 'Forbidden', message: 'what is this' },
    });
  });

  it('tells "no" from "could not find out", and "no" comes first', () => {
    const code = (...codes: readonly ErrorCode[]) =>
      responseOf(respond(...codes.map((one, n) => denied(n, one)))).status?.code;
    expect(code('CANNOT_VERIFY')).toBe(503);
    expect(code('STORE_UNAVAILABLE', 'INTERNAL')).toBe(503);
    expect(code('CANNOT_VERIFY', 'NOT_TRUSTED')).toBe(403);
    expect(code('REVOKED')).toBe(403);
    expect(code('NOT_PINNED')).toBe(403);
    expect(code('MANIFEST_UNKNOWN')).toBe(403);
  });

  it('holds no patch beside a denial', () => {
    const answer = respond(allowed(0, [], 'a@sha256:0'), denied(1, 'NOT_TRUSTED'));
    expect(responseOf(answer)).not.toHaveProperty('patch');
  });

  it('keeps messages, warnings and annotations within their bounds, and printable', () => {
    const long = `\u202eno\n${'x'.repeat(1000)}`;
    const many = Array.from({ length: 256 }, (_, n) => denied(n, 'NOT_TRUSTED', long));
    const { status, auditAnnotations } = responseOf(respond(...many));
    expect(status?.message.length).toBeLessThanOrEqual(4096);
    expect(status?.message).toMatch(/\nand 2\d\d more$/);
    expect(status?.message).toMatch(/^[\x20-\x7e\n]*$/);
    expect(auditAnnotations?.['images']?.length).toBeLessThanOrEqual(4096);
    const warned = Array.from({ length: 256 }, (_, n) => allowed(n, [long]));
    const warnings = responseOf(respond(...warned)).warnings ?? [];
    expect(Math.max(...warnings.map((one) => one.length))).toBeLessThanOrEqual(256);
    expect(warnings.join('').length).toBeLessThanOrEqual(4096);
    expect(warnings.join('')).toMatch(/^[\x20-\x7e]*$/);
    expect(warnings.length).toBeGreaterThan(10);
  });
});
