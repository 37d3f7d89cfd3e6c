import type { ErrorCode } from './errors.ts';
import { CountersignError } from './errors.ts';

/** Why an input or an action was refused: a code of the error table and a sentence a person can act on. */
export interface Refusal {
  readonly code: ErrorCode;
  /** What was expected, what was found, what to do. Never a secret. */
  readonly message: string;
}

/** The outcome of reading something from outside: the value, or why it was refused. */
export type Result<T> =
  { readonly ok: true; readonly value: T } | { readonly ok: false; readonly refusal: Refusal };

/** Wraps a value that was accepted. */
export function ok<T>(value: T): Result<T> {
  return { ok: true, value };
}

/** Refuses, with a code of the table and a message. */
export function refuse(code: ErrorCode, message: string): Result<never> {
  return { ok: false, refusal: { code, message } };
}

/** Returns the value of an accepted result; throws the refusal as a {@link CountersignError} otherwise. */
export function unwrap<T>(result: Result<T>): T {
  if (result.ok) return result.value;
  throw new CountersignError(result.refusal.code, result.refusal.message);
}
