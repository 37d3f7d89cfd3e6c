import { describe, expect, it } from 'vitest';
import { isLoopback } from '../../src/lib/loopback.ts';
import { nearest } from '../../src/lib/nearest.ts';

describe('loopback', () => {
  it.each([
    'localhost',
    'LOCALHOST',
    '127.0.0.1',
    '127.9.9.9',
    '::1',
    '[::1]',
    '::ffff:127.0.0.1',
    '0:0:0:0:0:0:0:1',
  ])('%s never leaves the machine', (host) => expect(isLoopback(host)).toBe(true));

  it.each([
    '',
    '0.0.0.0',
    '::',
    '10.0.0.1',
    '::ffff:10.0.0.1',
    'localhost.example.com',
    '127.0.0.1.example.com',
    '127.1',
  ])('%j may', (host) => expect(isLoopback(host)).toBe(false));
});

describe('nearest word', () => {
  it('finds slips of the finger and nothing far away', () => {
    expect(nearest('Upsteam', ['upstream', 'host'])).toBe('upstream');
    expect(nearest('passwordfile', ['username', 'passwordFile'])).toBe('passwordFile');
    expect(nearest('colour', ['host', 'ca'])).toBeUndefined();
    expect(nearest('x'.repeat(100_000), ['x'])).toBeUndefined();
  });
});
