import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { passwordOf } from '../../../cli/commands/import/password-file.ts';

const LOGIN = { host: 'db.example.com', port: '5432', database: 'notaryserver', user: 'server' };

describe('a password file of PostgreSQL', () => {
  it.each([
    ['the line that fits', 'db.example.com:5432:notaryserver:server:one', 'one'],
    ['stars', '*:*:*:server:one', 'one'],
    ['the first of two', '*:*:*:other:none\n*:*:*:*:one\n*:*:*:server:two', 'one'],
    ['escapes', String.raw`*:*:*:*:a\:b\\c:d`, String.raw`a:b\c:d`],
    ['a file of Windows', '# remark\r\n*:*:*:*:one\r\n', 'one'],
    ['none for another host', 'db:5432:notaryserver:server:one', null],
    ['none for another port', '*:5433:*:*:one', null],
    ['none for another database', '*:*:notarysigner:*:one', null],
    ['none for a remark', '#*:*:*:*:one', null],
    ['none for half a line', '*:*:*:server', null],
    ['none of nothing', '', null],
  ])('gives %s', (_what, text, password) => {
    expect(passwordOf(text, LOGIN)).toBe(password);
  });

  it('gives any password that was written into it', () => {
    const field = fc.string({ minLength: 1 }).filter((text) => !/[\r\n]/.test(text));
    const escape = (text: string): string => text.replaceAll(/[\\:]/g, String.raw`\$&`);
    fc.assert(
      fc.property(field, field, (user, password) => {
        const line = `*:*:*:${escape(user)}:${escape(password)}`;
        expect(passwordOf(line, { ...LOGIN, user })).toBe(password);
      }),
    );
  });
});
