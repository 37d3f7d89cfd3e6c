import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodePem, parsePem } from '../../src/keys/pem.ts';
import { LIMITS } from '../../src/lib/limits.ts';
import { unwrap } from '../../src/lib/result.ts';

const parse = (text: string): ReturnType<typeof parsePem> => parsePem(Buffer.from(text));
const block = '-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n';

describe('pem', () => {
  it('reads back what it writes, header lines and all', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 1, maxLength: 400 }),
        fc.dictionary(fc.stringMatching(/^[a-z]{1,8}$/), fc.stringMatching(/^[!-~]{1,20}$/)),
        (bytes, headers) => {
          const [read] = unwrap(parse(encodePem('SOME KEY', bytes, headers)));
          expect(read?.label).toBe('SOME KEY');
          expect(Object.fromEntries(read?.headers ?? [])).toEqual({ ...headers });
          expect(Buffer.from(read?.bytes ?? []).equals(bytes)).toBe(true);
        },
      ),
    );
  });

  it('takes Windows line ends, spaces at line ends and empty lines around a block', () => {
    const blocks = unwrap(parse(`\n\n${block.replaceAll('\n', ' \r\n')}\n`));
    expect(blocks.map((b) => b.label)).toEqual(['PUBLIC KEY']);
  });

  it.each([
    ['text before the block', `# my key\n${block}`],
    ['text after the block', `${block}and more`],
    ['a missing end line', '-----BEGIN PUBLIC KEY-----\nAAAA\n'],
    ['the end of another block', block.replace('END PUBLIC', 'END PRIVATE')],
    ['an empty body', '-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----\n'],
    ['base64 that is none', block.replace('AAAA', 'AA!A')],
    ['base64 with loose bits', block.replace('AAAA', 'AB==')],
    ['header lines without an empty line', block.replace('AAAA', 'role: x\nAAAA')],
    ['a header twice', block.replace('AAAA', 'role: x\nrole: y\n\nAAAA')],
    ['a continued header', block.replace('AAAA', 'role: x\n  y\n\nAAAA')],
    ['a terminal escape in a header', block.replace('AAAA', 'role: \u001b[2J\n\nAAAA')],
    ['nine blocks', block.repeat(9)],
  ])('refuses %s', (_, text) => {
    expect(parse(text)).toMatchObject({ ok: false, refusal: { code: 'KEY_INVALID' } });
  });

  it('refuses bytes that are no text, and too many', () => {
    expect(parsePem(Buffer.of(0xff, 0xfe))).toMatchObject({ refusal: { code: 'KEY_INVALID' } });
    const big = Buffer.alloc(LIMITS.keyFileBytes + 1, 0x0a);
    expect(parsePem(big)).toMatchObject({ refusal: { code: 'TOO_LARGE' } });
    expect(unwrap(parsePem(big.subarray(1)))).toEqual([]);
  });

  it('reads lines in any order as whole blocks or refuses them, and never throws', () => {
    const lines = fc.array(fc.constantFrom(...block.split('\n'), 'a: b', '', ' '));
    fc.assert(
      fc.property(lines, (list) => {
        const result = parse(list.join('\n'));
        const ends = list.filter((line) => line.startsWith('-----END')).length;
        expect(result.ok ? result.value.length : 0).toBeLessThanOrEqual(ends);
      }),
    );
  });
});
