import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { dockerCredentials } from '../../src/oci/credentials.ts';

describe("docker's credentials", () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'countersign-test-'));
  });
  afterEach(() => {
    vi.unstubAllEnvs();
    rmSync(folder, { recursive: true });
  });

  const config = (value: unknown): ReturnType<typeof dockerCredentials> => {
    writeFileSync(
      join(folder, 'config.json'),
      typeof value === 'string' ? value : JSON.stringify(value),
    );
    return dockerCredentials(folder);
  };
  const auth = (text: string): string => Buffer.from(text).toString('base64');
  const helper = (name: string, script: string): void => {
    const bin = join(folder, 'bin');
    mkdirSync(bin, { recursive: true });
    writeFileSync(join(bin, `docker-credential-${name}`), `#!/bin/sh\n${script}\n`);
    chmodSync(join(bin, `docker-credential-${name}`), 0o755);
    vi.stubEnv('PATH', `${bin}${delimiter}${process.env['PATH'] ?? ''}`);
  };

  it('are none without a configuration', async () => {
    expect(await dockerCredentials(folder)('registry.example.com')).toBeNull();
  });

  it('are those of exactly the host', async () => {
    const find = config({ auths: { 'registry.example.com': { auth: auth('alice:pa:ss') } } });
    const alice = { kind: 'password', username: 'alice', password: 'pa:ss' };
    expect(await find('registry.example.com')).toEqual(alice);
    for (const other of [
      'registry.example.com:5000',
      'example.com',
      'a.registry.example.com',
      'docker.io',
    ])
      expect(await find(other)).toBeNull();
  });

  it('are found under the names that docker writes', async () => {
    const find = config({
      auths: {
        'https://index.docker.io/v1/': { username: 'hub', password: 'x' },
        'https://old.example.com/v1/': { auth: auth('old:x') },
        'port.example.com:443': { auth: auth('port:x') },
        'token.example.com': { auth: auth('ignored:x'), identitytoken: 'refresh' },
        'http://plain.example.com': { auth: auth('plain:x') },
      },
    });
    expect(await find('docker.io')).toMatchObject({ username: 'hub' });
    expect(await find('old.example.com')).toMatchObject({ username: 'old' });
    expect(await find('port.example.com')).toMatchObject({ username: 'port' });
    expect(await find('token.example.com')).toEqual({ kind: 'identity-token', token: 'refresh' });
    expect(await find('plain.example.com')).toBeNull();
  });

  it.each([
    ['not JSON', '{'],
    ['a list', '[]'],
    ['an auth that is no base64', { auths: { h: { auth: '***' } } }],
    ['an auth without a colon', { auths: { h: { auth: auth('alice') } } }],
    ['a helper with a path for a name', { credHelpers: { h: '../../evil' } }],
    ['a helper with a space', { credsStore: 'a b' }],
    ['a helper that is not installed', { credsStore: 'countersign-absent' }],
  ])('are refused from a configuration that is %s', async (_what, value) => {
    await expect(config(value)('h')).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
  });

  it("come from the host's helper before the general one and the file", async () => {
    helper(
      'mine',
      'read s; echo "{\\"ServerURL\\":\\"$s\\",\\"Username\\":\\"$s\\",\\"Secret\\":\\"x\\"}"',
    );
    helper('all', 'echo "{\\"Username\\":\\"<token>\\",\\"Secret\\":\\"refresh\\"}"');
    const find = config({ credHelpers: { h: 'mine', 'docker.io': 'mine' }, credsStore: 'all' });
    expect(await find('h')).toMatchObject({ kind: 'password', username: 'h' });
    expect(await find('docker.io')).toMatchObject({ username: 'https://index.docker.io/v1/' });
    expect(await find('other')).toEqual({ kind: 'identity-token', token: 'refresh' });
  });

  it('fall back to the file where the helper has none', async () => {
    helper('empty', 'echo "credentials not found in native keychain"; exit 1');
    const find = config({ credsStore: 'empty', auths: { h: { auth: auth('file:x') } } });
    expect(await find('h')).toMatchObject({ username: 'file' });
  });

  it.each([
    ['fails', 'echo "locked: s3cret" ; exit 1'],
    ['answers nonsense', 'echo s3cret'],
    ['answers without end', 'yes s3cret'],
  ])('are refused from a helper that %s, without its words', async (_what, script) => {
    helper('bad', script);
    const failure = await config({ credsStore: 'bad' })('h').catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: 'CONFIG_INVALID' });
    expect(String(failure)).not.toContain('s3cret');
  });
});
