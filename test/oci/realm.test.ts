import { describe, expect, it } from 'vitest';
import { acceptRealm } from '../../src/oci/realm.ts';

const ask = (realm: string, host: string, origin: string, allowed: string[] = []): string => {
  const result = acceptRealm(realm, { host, origin: new URL(origin) }, allowed);
  return result.ok ? 'accepted' : result.refusal.message;
};

describe('the realm of a challenge', () => {
  it.each([
    ['https://registry.example.com/token', 'registry.example.com'],
    ['https://registry.example.com:8443/token', 'registry.example.com'],
    ['https://auth.example.com/token', 'registry.example.com'],
    ['https://example.com/jwt/auth', 'registry.example.com'],
    ['https://auth.registry.example.com/token', 'registry.example.com'],
    ['https://auth.docker.io/token', 'docker.io', 'https://registry-1.docker.io'],
    ['https://ghcr.io/token', 'ghcr.io'],
  ])('%s is accepted for %s', (realm, host, origin = `https://${host}`) => {
    expect(ask(realm, host, origin)).toBe('accepted');
  });

  it.each([
    ['https://evil.example/token', 'registry.example.com'],
    ['https://registry.example.com.evil.example/token', 'registry.example.com'],
    ['https://evilregistry.example.com.test/', 'registry.example.com'],
    // Strangers share these parents.
    ['https://evil.azurecr.io/token', 'mine.azurecr.io'],
    ['https://evil.co.uk/token', 'mine.co.uk'],
    ['https://evil.io/token', 'ghcr.io'],
    ['https://10.0.0.2/token', '10.0.0.1:5000'],
    // A step down from TLS, another port of this machine, a login in the address.
    ['http://registry.example.com/token', 'registry.example.com'],
    ['http://auth.example.com/token', 'registry.example.com'],
    ['https://user:pass@registry.example.com/token', 'registry.example.com'],
    ['ftp://registry.example.com/token', 'registry.example.com'],
    ['/token', 'registry.example.com'],
    ['', 'registry.example.com'],
  ])('%s is refused for %s', (realm, host) => {
    expect(ask(realm, host, `https://${host}`)).not.toBe('accepted');
  });

  it('is accepted over plain HTTP only at the origin of a plain loopback registry', () => {
    const origin = 'http://localhost:5000';
    expect(ask('http://localhost:5000/token', 'localhost:5000', origin)).toBe('accepted');
    expect(ask('http://localhost:6000/token', 'localhost:5000', origin)).not.toBe('accepted');
    expect(ask('http://localhost:6000/token', 'localhost:5000', origin, ['localhost:6000'])).toBe(
      'accepted',
    );
    expect(ask('http://auth.example/t', 'localhost:5000', origin, ['auth.example'])).not.toBe(
      'accepted',
    );
  });

  it('is accepted where a person lists it, and the refusal says how', () => {
    const realm = 'https://sso.corp.example/token';
    const refused = ask(realm, 'registry.example.com', 'https://registry.example.com');
    expect(refused).toContain('--auth-host sso.corp.example');
    expect(
      ask(realm, 'registry.example.com', 'https://registry.example.com', ['sso.corp.example']),
    ).toBe('accepted');
  });
});
