import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  algorithmOf,
  digestFromHex,
  digestOf,
  hexOf,
  isDigest,
  parseDigest,
  shortDigest,
} from '../../src/oci/digest.ts';

describe('a digest', () => {
  it('of bytes reads back as itself', () => {
    fc.assert(
      fc.property(
        fc.uint8Array(),
        fc.constantFrom('sha256' as const, 'sha512' as const),
        (bytes, algorithm) => {
          const digest = digestOf(bytes, algorithm);
          expect(parseDigest(digest)).toEqual({ ok: true, value: digest });
          expect(algorithmOf(digest)).toBe(algorithm);
          expect(digest).toBe(`${algorithm}:${hexOf(digest)}`);
          expect(digestFromHex(algorithm, hexOf(digest))).toEqual({ ok: true, value: digest });
          expect(shortDigest(digest)).toBe(`${algorithm}:${hexOf(digest).slice(0, 12)}`);
        },
      ),
    );
  });

  const hex = 'ab'.repeat(32);
  it.each([
    ['a path', 'sha256:../../etc/passwd'],
    ['a path of the right length', `sha256:../../${hex.slice(6)}`],
    ['upper case', `sha256:${hex.toUpperCase()}`],
    ['an upper-case algorithm', `SHA256:${hex}`],
    ['one digit too few', `sha256:${hex.slice(1)}`],
    ['one digit too many', `sha256:${hex}a`],
    ['the length of another algorithm', `sha512:${hex}`],
    ['an algorithm that is broken', `sha1:${'a'.repeat(40)}`],
    ['an algorithm that nobody knows', `blake3:${hex}`],
    ['no algorithm', hex],
    ['a NUL', `sha256:${hex.slice(1)}\0`],
    ['a line end', `sha256:${hex}\n`],
    ['a space before', ` sha256:${hex}`],
    ['two of them', `sha256:${hex},sha256:${hex}`],
    ['something far too long', `sha256:${'a'.repeat(100_000)}`],
    ['letters that look alike', `sha256:${'\u0430'.repeat(64)}`],
    ['nothing', ''],
  ])('T-38: is not %s', (_what, text) => {
    expect(isDigest(text)).toBe(false);
    const parsed = parseDigest(text);
    expect(parsed).toMatchObject({ ok: false, refusal: { code: 'DIGEST_INVALID' } });
    if (!parsed.ok) expect(parsed.refusal.message.length).toBeLessThan(300);
  });

  it('T-38: is nothing else than its grammar, whatever is tried', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.stringMatching(/^sha256:.{0,70}$/)), (text) => {
        const strict =
          (text.startsWith('sha256:') && text.length === 71) ||
          (text.startsWith('sha512:') && text.length === 135);
        const rest = !/[^0-9a-f]/.test(text.slice(7));
        expect(isDigest(text)).toBe(strict && rest);
      }),
    );
  });
});
