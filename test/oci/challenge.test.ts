import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseChallenges } from '../../src/oci/challenge.ts';

describe('a WWW-Authenticate header', () => {
  it('gives scheme and parameters of a token challenge', () => {
    const header =
      'Bearer realm="https://auth.example.com/token",service="registry",scope="repository:a/b:pull,push"';
    expect(parseChallenges(header)).toEqual([
      {
        scheme: 'bearer',
        parameters: {
          realm: 'https://auth.example.com/token',
          service: 'registry',
          scope: 'repository:a/b:pull,push',
        },
      },
    ]);
  });

  it('may offer several challenges, with tokens, quotes and escapes', () => {
    const header = 'Negotiate YII=, Basic realm="a \\"b\\", c", BEARER Realm=x , charset="UTF-8"';
    expect(parseChallenges(header)).toEqual([
      { scheme: 'negotiate', parameters: {} },
      { scheme: 'basic', parameters: { realm: 'a "b", c' } },
      { scheme: 'bearer', parameters: { realm: 'x', charset: 'UTF-8' } },
    ]);
  });

  it('keeps the first of two parameters of one name', () => {
    expect(parseChallenges('Bearer realm="a",realm="b"')[0]?.parameters['realm']).toBe('a');
  });

  it('offers nothing where it is too long', () => {
    expect(parseChallenges(`Basic realm="${'x'.repeat(9000)}"`)).toEqual([]);
  });

  it('never throws and never offers more than eight', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 300 }), (text) => {
        expect(parseChallenges(text).length).toBeLessThanOrEqual(8);
      }),
    );
  });

  it('reads back what was written', () => {
    const name = fc.stringMatching(/^[a-z]{1,10}$/);
    const value = fc.stringMatching(/^[ -~]{0,40}$/);
    fc.assert(
      fc.property(fc.dictionary(name, value, { minKeys: 1, maxKeys: 6 }), (parameters) => {
        const text = Object.entries(parameters)
          .map(([key, item]) => `${key}="${item.replaceAll(/["\\]/g, '\\$&')}"`)
          .join(', ');
        expect({ ...parseChallenges(`Bearer ${text}`)[0]?.parameters }).toEqual({ ...parameters });
      }),
    );
  });
});
