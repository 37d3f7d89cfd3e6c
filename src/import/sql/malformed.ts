import { CountersignError } from '../../lib/errors.ts';
import type { Place } from './byte-text.ts';

/** The error for a dump that cannot be read, with its place. */
export function malformed(at: Place, why: string): CountersignError {
  return new CountersignError('IMPORT_UNREADABLE', `${at.file}:${at.line}: ${why}`);
}
