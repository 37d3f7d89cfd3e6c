import { ERRORS } from '../lib/errors.ts';
import type { AllowCode } from '../policy/decision.ts';
import { NOTARY_OPERATIONS } from './notary-operation.ts';

// A record so that a new code cannot be forgotten here.
const ALLOWED: Readonly<Record<AllowCode, true>> = {
  TRUSTED: true,
  EXCEPTION: true,
  WARNED: true,
  OFF: true,
  CHILD: true,
  ARTIFACT: true,
  HELD_READ: true,
};

/**
 * The value of each label for what a request was: one of a list known beforehand, else `other`, so
 * that what clients send can make neither a new series nor a long one (T-67).
 */
export const LABEL = {
  route: oneOf([
    'base',
    'catalog',
    'manifest',
    'blob',
    'uploads',
    'upload',
    'tags',
    'referrers',
    'v2',
    'api',
    'operation',
    'admission',
    'token',
    'notary',
  ]),
  method: oneOf(['GET', 'HEAD', 'PUT', 'POST', 'PATCH', 'DELETE', 'OPTIONS']),
  action: oneOf(['pull', 'push']),
  operation: oneOf(NOTARY_OPERATIONS),
  webhook: oneOf(['validate', 'mutate']),
  outcome: oneOf(['allow', 'deny', 'error']),
  code: oneOf([...Object.keys(ERRORS), ...Object.keys(ALLOWED)]),
  status: (status: number): string => (status >= 100 && status < 600 ? String(status) : 'other'),
} as const;

function oneOf(values: readonly string[]): (value: string) => string {
  const known = new Set(values);
  return (value) => (known.has(value) ? value : 'other');
}
