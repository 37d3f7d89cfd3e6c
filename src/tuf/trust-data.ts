import type { Result } from '../lib/result.ts';
import { refuse } from '../lib/result.ts';

/** Refuses metadata that is malformed, wrongly signed or does not fit the rest. */
export function invalid(message: string): Result<never> {
  return refuse('TRUST_DATA_INVALID', message);
}

/** Refuses the structure of a role's metadata, in Notary's words. */
export function malformed(role: string, what: string): Result<never> {
  return invalid(`${role} type metadata invalid: ${what}`);
}

/** A text from outside, short and printable enough for a message: as it is where it is plain, else quoted and cut. */
export function shown(text: string): string {
  if (/^[\w./-]{1,64}$/.test(text)) return text;
  return JSON.stringify(text.length > 64 ? `${text.slice(0, 64)}…` : text);
}
