import type { Dialect } from './lexer.ts';

/**
 * The bytes of a binary column. PostgreSQL writes `\x…` in hexadecimal digits, or its older escape
 * format; MySQL the bytes themselves (unescaped by now). `undefined`: it is none of these.
 */
export function binaryValue(text: string, dialect: Dialect): Buffer | undefined {
  if (dialect === 'mysql') return Buffer.from(text, 'latin1');
  if (text.startsWith('\\x')) return fromHex(text.slice(2));
  if (!text.includes('\\')) return Buffer.from(text, 'latin1');
  let bad = false;
  const plain = text.replace(/\\(\\|[0-3][0-7]{2}|)/g, (_whole, escape: string) => {
    if (escape === '') bad = true;
    return escape === '\\' ? '\\' : String.fromCharCode(Number.parseInt(escape, 8));
  });
  return bad ? undefined : Buffer.from(plain, 'latin1');
}

/** The bytes of hexadecimal digits, all of them or `undefined` (`Buffer.from` alone stops where it fails). */
export function fromHex(digits: string): Buffer | undefined {
  const bytes = Buffer.from(digits, 'hex');
  return digits.length % 2 === 0 && bytes.length * 2 === digits.length ? bytes : undefined;
}
