import { describe, expect, it } from 'vitest';
import { codeOf } from '../../src/lib/errors.ts';
import { resolveLocation } from '../../src/oci/origin.ts';

const AWAY = 'https://registry.example.com/v2/a/blobs/uploads/';
const HERE = 'http://127.0.0.1:5000/v2/';

function resolved(location: string, base = AWAY): string {
  try {
    return resolveLocation(location, new URL(base)).href;
  } catch (error) {
    return codeOf(error);
  }
}

describe('an address that a registry sends', () => {
  it.each([
    ['/v2/a/blobs/uploads/1?state=x', 'https://registry.example.com/v2/a/blobs/uploads/1?state=x'],
    ['1', 'https://registry.example.com/v2/a/blobs/uploads/1'],
    ['//cdn.example.net/x', 'https://cdn.example.net/x'],
    ['https://cdn.example.net/x#part', 'https://cdn.example.net/x'],
    // A proxy that forgets TLS writes http:// for its own host.
    ['http://registry.example.com/x', 'https://registry.example.com/x'],
    ['http://registry.example.com:80/x', 'https://registry.example.com/x'],
  ])('is followed: %s', (location, url) => {
    expect(resolved(location)).toBe(url);
  });

  it.each([
    'http://cdn.example.net/x',
    'http://registry.example.com:8080/x',
    'ftp://registry.example.com/x',
    'file:///etc/passwd',
    'data:text/plain,x',
    'https://user:password@registry.example.com/x',
    'https://localhost/x',
    'https://LOCALHOST./x',
    'https://registry.localhost/x',
    'https://127.0.0.1/x',
    'https://127.1/x',
    'https://2130706433/x',
    'https://0x7f.1/x',
    'https://0.0.0.0/x',
    'https://[::1]/x',
    'https://[::]/x',
    'https://[::ffff:127.0.0.1]/x',
    'https://169.254.169.254/latest/meta-data',
    'https://[::ffff:169.254.169.254]/x',
    'https://[fe80::1]/x',
    'https://',
  ])('T-72: is refused: %s', (location) => {
    expect(resolved(location)).toBe('UPSTREAM_INVALID');
  });

  it('may be on this machine where the registry is', () => {
    expect(resolved('http://localhost:5001/x', HERE)).toBe('http://localhost:5001/x');
    expect(resolved('https://cdn.example.net/x', HERE)).toBe('https://cdn.example.net/x');
    expect(resolved('http://cdn.example.net/x', HERE)).toBe('UPSTREAM_INVALID');
  });
});
