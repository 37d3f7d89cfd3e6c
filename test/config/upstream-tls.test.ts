import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { RegistryConfig } from '../../src/config/config.ts';
import { makeAuthority } from '../support/certificates.ts';
import { configFolder } from '../support/configuration.ts';

const { folder, load, refusal } = configFolder();
const { ca, client } = makeAuthority();

function put(name: string, text: string): string {
  const file = join(folder, name);
  mkdirSync(join(file, '..'), { recursive: true });
  writeFileSync(file, text);
  return file;
}

async function registry(rest: string, env = {}): Promise<RegistryConfig | undefined> {
  const yaml = `registries: [{ upstream: "https://u.example.com:8443"${rest} }]`;
  return (await load({ yaml, env: { DOCKER_CONFIG: join(folder, 'docker'), ...env } }))
    .registries[0];
}

describe('certificates for an upstream', () => {
  it('are those that docker has for the host, where none are named', async () => {
    expect((await registry(''))?.tls).toEqual({ ca: [], explicit: false });
    put('docker/certs.d/u.example.com:8443/ca.crt', ca);
    put('docker/tls/u.example.com:8443/client.cert', client.cert);
    put('docker/tls/u.example.com:8443/client.key', client.key);
    expect((await registry(''))?.tls).toEqual({ ca: [ca], explicit: false, client });
    const other = await registry(', realm: "https://auth.example.com/t"');
    expect(other?.realm?.tls).toEqual({ ca: [], explicit: false });
  });

  it('may be a folder as docker has one per host, whose client certificate is for upstream alone', async () => {
    put('mtls/authority.crt', ca);
    put('mtls/gate.cert', client.cert);
    put('mtls/gate.key', client.key);
    const found = await registry(
      ', ca: mtls, realm: "https://auth.example.com/t", storage: ["https://b.example.com"]',
    );
    expect(found?.tls).toEqual({ ca: [ca], explicit: true, client });
    for (const endpoint of [found?.realm, found?.storage[0]])
      expect(endpoint?.tls).toEqual({ ca: [ca], explicit: false });
  });

  it.each([
    ['an empty folder', 'empty/readme.txt', 'x', /expected \*\.crt authorities/],
    ['no certificate in it', 'junk/ca.crt', 'x', /expected PEM certificates/],
    [
      'a broken certificate in it',
      'broken/ca.crt',
      '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n',
      /expected PEM certificates in the \*\.crt files/,
    ],
    ['a certificate without its key', 'half/gate.cert', 'x', /expected gate\.key beside/],
  ])('are refused where there is %s', async (_, name, text, message) => {
    put(name, text);
    const yaml = `registries: [{ upstream: "https://u.example.com", ca: ${name.split('/')[0]} }]`;
    expect(await refusal({ yaml })).toMatch(message);
  });
});
