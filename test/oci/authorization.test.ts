import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { basicAuthorization, parseTokenAnswer } from '../../src/oci/authorization.ts';

const answer = (body: unknown) => parseTokenAnswer(Buffer.from(JSON.stringify(body)));

describe('the header of a name and password', () => {
  it('is what a server reads back, in UTF-8', () => {
    const header = basicAuthorization({ username: 'zoë', password: 'a:b ü' });
    expect(Buffer.from(header.replace(/^Basic /, ''), 'base64').toString()).toBe('zoë:a:b ü');
  });
});

describe("a token server's answer", () => {
  it.each([
    [{ token: 'a.b-c' }, { header: 'Bearer a.b-c', seconds: 60 }],
    [
      { access_token: 'a', expires_in: 300 },
      { header: 'Bearer a', seconds: 300 },
    ],
    [
      { token: 'a', access_token: 'b' },
      { header: 'Bearer a', seconds: 60 },
    ],
    [
      { token: 'a', expires_in: 0 },
      { header: 'Bearer a', seconds: 60 },
    ],
    [
      { token: 'a', expires_in: '5' },
      { header: 'Bearer a', seconds: 60 },
    ],
  ])('%j is a token', (body, token) => {
    expect(answer(body)).toEqual(token);
  });

  it.each([{}, [], null, { token: '' }, { token: 7 }, { token: 'a b' }, { token: 'a\r\nx: y' }])(
    '%j is none',
    (body) => {
      expect(answer(body)).toBeNull();
    },
  );

  it('never becomes a header with anything but one token in it', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (token) => {
        const read = answer({ token });
        expect(read === null || /^Bearer [\w\-.~+/]+=*$/.test(read.header)).toBe(true);
      }),
    );
  });
});
