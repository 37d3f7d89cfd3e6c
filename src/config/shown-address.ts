import { quote } from '../lib/quote.ts';

/**
 * An address as messages show it. A login in it is left out, whatever the password is made of: all that
 * stands before the last `@` may be a part of it.
 */
export function shownAddress(text: string): string {
  return quote(text.replace(/^([a-z][a-z0-9+.-]*:\/*)?.*@/is, '$1…@'), 120);
}
