import { describe, expect, it } from 'vitest';
import { plain } from '../../cli/logger.ts';
import { CountersignError } from '../../src/lib/errors.ts';

describe('an error in the log', () => {
  it('is a message and a code where it was foreseen, such as a registry that is down', () => {
    const error = new CountersignError('UPSTREAM_UNAVAILABLE', 'could not be asked', {
      detail: 'connect ECONNREFUSED',
    });
    expect(plain({ repository: 'a/b', error })).toEqual({
      repository: 'a/b',
      error: 'could not be asked',
      detail: 'connect ECONNREFUSED',
      errorCode: 'UPSTREAM_UNAVAILABLE',
    });
  });

  it('has its stack where nobody foresaw it', () => {
    expect(plain({ error: new TypeError('x is not a function') })).toMatchObject({
      error: 'x is not a function',
      stack: expect.stringContaining('TypeError'),
    });
  });
});
