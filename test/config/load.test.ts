import { generateKeyPairSync } from 'node:crypto';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadConfig } from '../../src/config/load.ts';
import { makeCertificate } from '../../src/http/certificate.ts';
import { configFolder } from '../support/configuration.ts';

const { folder, write, load, refusal } = configFolder();

const IDENTITIES = `
identities: { htpasswd: users }
access: [{ repositories: ["**"], pull: ["*"] }]
`;

describe('configuration', () => {
  it('has defaults for everything: an embedded registry on loopback with its own certificate', async () => {
    expect(await load({})).toEqual({
      listen: { host: '127.0.0.1', port: 5443 },
      tls: 'auto',
      data: join(folder, 'countersign-data'),
      store: 'sqlite',
      policies: join(folder, 'policies'),
      registries: [
        {
          host: 'localhost:5443',
          aliases: ['127.0.0.1:5443', '[::1]:5443'],
          upstream: 'embedded',
          tls: { ca: [], explicit: false },
          credentials: null,
          realm: null,
          storage: [],
        },
      ],
      identities: null,
      access: [],
      notary: {
        masterKey: { file: join(folder, 'countersign-data', 'master.key'), make: true },
        keyType: 'ecdsa-p256',
      },
      warnings: [],
    });
  });

  it('takes the master key of the trust server from a file, or from a variable whose text nothing repeats', async () => {
    const yaml = 'notary: { masterKeyFile: keys/master, keyType: ed25519 }';
    expect(await load({ yaml })).toMatchObject({
      notary: { masterKey: { file: join(folder, 'keys/master'), make: false }, keyType: 'ed25519' },
    });
    const file = { COUNTERSIGN_MASTER_KEY_FILE: 'm', COUNTERSIGN_NOTARY_KEY_TYPE: 'ecdsa-p256' };
    expect(await load({ yaml, env: file })).toMatchObject({
      notary: { masterKey: { file: join(folder, 'm'), make: false }, keyType: 'ecdsa-p256' },
    });
    const env = { COUNTERSIGN_MASTER_KEY: 'geheim' };
    expect(await load({ env })).toMatchObject({ notary: { masterKey: { text: 'geheim' } } });
    write('countersign.yaml', yaml);
    const both = await loadConfig({ flags: {}, env, cwd: folder });
    const message = both.ok ? '' : both.refusal.message;
    expect(message).toMatch(
      /countersign\.yaml:1: expected a master key in a file or in COUNTERSIGN_MASTER_KEY/,
    );
    expect(message).not.toContain('geheim');
  });

  it('reads every key of the file, with paths from the folder of the file', async () => {
    write('secret', 'geheim\n');
    const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const ca = makeCertificate({
      subject: 'upstream',
      publicKey: pair.publicKey,
      issuer: { name: 'upstream', key: pair.privateKey },
      notBefore: new Date('2026-01-01'),
      notAfter: new Date('2027-01-01'),
      use: 'authority',
      names: ['upstream.example.com'],
    });
    write('ca.pem', ca);
    const config = await load({
      yaml: `
listen: 0.0.0.0:443
tls: { cert: tls/cert.pem, key: /etc/key.pem }
data: data
store: sqlite
policies: rules
registries:
  - host: Registry.Example.com:443
    aliases: [registry.internal:5443]
    upstream: https://upstream.example.com:8443
    ca: ca.pem
    credentials: { username: gate, passwordFile: secret }
    realm: https://auth.example.com/token
    storage: [https://bucket.example.com, "http://127.0.0.1:9000"]
identities: { htpasswd: users.htpasswd }
access:
  - { repositories: ["registry.internal:5443/a/*", "\${registry}/b"], pull: ["*"], push: [ci], delete: [bob], admin: [alice] }
  - { repositories: ["**"], pull: [anonymous] }
`,
    });
    expect(config).toMatchObject({
      listen: { host: '0.0.0.0', port: 443 },
      tls: { cert: join(folder, 'tls/cert.pem'), key: '/etc/key.pem' },
      data: join(folder, 'data'),
      policies: join(folder, 'rules'),
      identities: { htpasswd: join(folder, 'users.htpasswd') },
      warnings: [],
    });
    expect(config.registries).toEqual([
      {
        host: 'registry.example.com',
        aliases: ['registry.internal:5443'],
        upstream: new URL('https://upstream.example.com:8443'),
        tls: { ca: [ca], explicit: true },
        credentials: { username: 'gate', password: 'geheim' },
        realm: {
          url: new URL('https://auth.example.com/token'),
          tls: { ca: [ca], explicit: false },
        },
        storage: [
          { url: new URL('https://bucket.example.com'), tls: { ca: [ca], explicit: false } },
          {
            url: new URL('http://127.0.0.1:9000'),
            tls: { ca: [ca], explicit: false },
          },
        ],
      },
    ]);
    expect(
      config.access.map((rule) => ({
        ...rule,
        repositories: rule.repositories.map((p) => p.text),
      })),
    ).toEqual([
      {
        repositories: ['registry.example.com/a/*', 'registry.example.com/b'],
        pull: ['*'],
        push: ['ci'],
        delete: ['bob'],
        admin: ['alice'],
      },
      { repositories: ['**'], pull: ['anonymous'], push: [], delete: [], admin: [] },
    ]);
  });

  it('lets a flag beat a variable and a variable the file', async () => {
    const yaml =
      'listen: 127.0.0.1:1\ndata: from-file\npolicies: from-file\ntls: auto\nregistries: [{ host: file.example.com }]';
    const env = {
      COUNTERSIGN_LISTEN: '127.0.0.1:2',
      COUNTERSIGN_DATA: 'from-variable',
      COUNTERSIGN_UPSTREAM: 'https://variable.example.com',
      COUNTERSIGN_HOST: '',
    };
    const flags = { listen: '127.0.0.1:3', upstream: 'https://flag.example.com', http: true };
    expect(await load({ yaml })).toMatchObject({
      listen: { port: 1 },
      data: join(folder, 'from-file'),
    });
    expect(await load({ yaml, env })).toMatchObject({
      listen: { port: 2 },
      data: join(folder, 'from-variable'),
      policies: join(folder, 'from-file'),
      registries: [{ host: 'file.example.com', upstream: new URL('https://variable.example.com') }],
    });
    expect(await load({ yaml, env, flags })).toMatchObject({
      listen: { port: 3 },
      tls: 'off',
      registries: [{ host: 'file.example.com', upstream: new URL('https://flag.example.com') }],
    });
  });

  it('takes everything from variables alone', async () => {
    write('secret', 'pw');
    const config = await load({
      env: {
        COUNTERSIGN_TLS_CERT: 'c.pem',
        COUNTERSIGN_TLS_KEY: 'k.pem',
        COUNTERSIGN_HOST: 'r.example.com',
        COUNTERSIGN_ALIASES: 'a.example.com, b.example.com:5000',
        COUNTERSIGN_UPSTREAM: 'https://u.example.com',
        COUNTERSIGN_USERNAME: 'gate',
        COUNTERSIGN_PASSWORD_FILE: 'secret',
        COUNTERSIGN_REALM: 'https://auth.example.com/token',
        COUNTERSIGN_STORAGE: 'https://s1.example.com, https://s2.example.com:9000',
        COUNTERSIGN_HTPASSWD: 'users',
        COUNTERSIGN_ACCESS: '[{ repositories: ["**"], pull: ["*"] }]',
      },
    });
    expect(config).toMatchObject({
      tls: { cert: join(folder, 'c.pem'), key: join(folder, 'k.pem') },
      registries: [
        {
          host: 'r.example.com',
          aliases: ['a.example.com', 'b.example.com:5000'],
          credentials: { password: 'pw' },
        },
      ],
      identities: { htpasswd: join(folder, 'users') },
      access: [{ pull: ['*'] }],
    });
  });

  it('finds the file by flag, by variable, or as countersign.yaml; a named one must be there', async () => {
    write('other.yaml', 'data: other');
    write('countersign.yaml', 'data: usual');
    const data = async (file?: string, env = {}): Promise<string> => {
      const result = await loadConfig({ file, flags: {}, env, cwd: folder });
      return result.ok ? result.value.data : result.refusal.message;
    };
    expect(await data()).toBe(join(folder, 'usual'));
    expect(await data(undefined, { COUNTERSIGN_CONFIG: 'other.yaml' })).toBe(join(folder, 'other'));
    expect(await data('other.yaml', { COUNTERSIGN_CONFIG: 'none.yaml' })).toBe(
      join(folder, 'other'),
    );
    expect(await data('none.yaml')).toMatch(/there is no such file/);
  });

  it.each([
    ['lisen: x', 'countersign.yaml:1: expected a known key, found "lisen"; did you mean "listen"?'],
    ['registries: [{ upsteam: embedded }]', /did you mean "upstream"/],
    [
      'registries: [{ credentials: { username: a, password: b } }]',
      /found "password"; did you mean "passwordFile"/,
    ],
    ['data: a\ndata: b', 'countersign.yaml:2: expected every key once, found "data" again'],
    ['data: &a x\npolicies: *a', /expected no anchors or aliases/],
    ['listen: 5443', 'countersign.yaml:1: expected text, found 5443; put it in quotes'],
    [
      'listen: gate.example.com:5443',
      /countersign\.yaml:1: expected HOST:PORT with an IP address or localhost/,
    ],
    ['listen: 127.0.0.1:99999', /expected HOST:PORT/],
    ['listen: ::1:5443', /expected HOST:PORT/],
    ['tls: on', /countersign\.yaml:1: expected tls: auto, off or \{cert, key\}, found "on"/],
    ['tls: { cert: a }', /expected the key "key", found none/],
    [
      'store: postgres://u:hunter2@db/x',
      /^countersign\.yaml:1: expected store: sqlite; other stores are not available in this version$/,
    ],
    [
      'notary: { keyType: rsa }',
      /countersign\.yaml:1: expected ecdsa-p256 or ed25519, found "rsa"/,
    ],
    ['notary: { masterKey: x }', /found "masterKey"; did you mean "masterKeyFile"/],
    ['registries: []', /expected at least one registry/],
    [
      'registries: [{ host: a.example.com }, { host: A.example.com:443, upstream: "https://u.example.com" }]',
      /expected every host and alias once, found a\.example\.com also at countersign\.yaml:1/,
    ],
    [
      'registries: [{ host: a.example.com, aliases: [b.example.com] }, { host: b.example.com, upstream: "https://u.example.com" }]',
      /found b\.example\.com also at/,
    ],
    [
      'registries: [{ host: a.example.com }, { host: b.example.com }]',
      /expected one embedded registry at most/,
    ],
    ['registries: [{ host: "a b" }]', /expected a registry host/],
    [
      'registries: [{ realm: "http://auth.example.com/token", upstream: "https://u.example.com" }]',
      /expected the https:\/\/ address of a token server as realm/,
    ],
    [
      'registries: [{ realm: "https://bob:hunter2@auth.example.com/", upstream: "https://u.example.com" }]',
      /expected the https:\/\/ address of a token server as realm/,
    ],
    [
      'registries: [{ realm: "https://auth.example.com/token", upstream: "http://u.example.com" }]',
      /expected an https:\/\/ upstream where tokens are sent, found http:\/\/u\.example\.com/,
    ],
    ['registries: [{ realm: "https://a.example.com/" }]', /expected no realm for the embedded/],
    ['registries: [{ relm: "https://a.example.com/" }]', /found "relm"; did you mean "realm"/],
    [
      'registries: [{ storages: ["https://b.example.com"] }]',
      /found "storages"; did you mean "storage"/,
    ],
    [
      'registries: [{ storage: ["https://b.example.com/x"], upstream: "https://u.example.com" }]',
      /expected https:\/\/ with host and port only as storage/,
    ],
    [
      'registries: [{ storage: ["http://b.example.com"], upstream: "https://u.example.com" }]',
      /expected https:\/\/ with host and port only as storage/,
    ],
    [
      'registries: [{ storage: ["https://b.example.com"] }]',
      /expected no storage for the embedded registry/,
    ],
    [
      'registries: [{ upstream: "ftp://u.example.com" }]',
      /expected embedded or an http\(s\):\/\/ address/,
    ],
    [
      'registries: [{ upstream: "u.example.com" }]',
      /expected embedded or an http\(s\):\/\/ address/,
    ],
    [
      'registries: [{ upstream: "https://u.example.com/path" }]',
      /expected scheme, host and port only/,
    ],
    [
      'registries: [{ upstream: "https://u.example.com?x=1" }]',
      /expected scheme, host and port only/,
    ],
    [
      'registries: [{ upstream: "https://bob:hunter2@u.example.com" }]',
      /expected no name or password in the upstream address; use credentials$/,
    ],
    [
      'registries: [{ upstream: "http://localhost:5443" }]',
      /expected another address than the one listened on/,
    ],
    [
      'registries: [{ upstream: "http://u.example.com", ca: x }]',
      /expected ca only with an https:\/\/ upstream/,
    ],
    ['registries: [{ upstream: "https://u.example.com", ca: none.pem }]', /there is no such file/],
    [
      'registries: [{ upstream: "https://u.example.com", ca: countersign.yaml }]',
      /expected PEM certificates/,
    ],
    ['access: [{ repositories: ["**"], pull: ["*"] }]', /expected identities where access is set/],
    [
      'identities: { htpasswd: u }\naccess: [{ repositories: ["a*b/**"], pull: ["*"] }]',
      /expected a pattern that begins with a registry host/,
    ],
    ['identities: { htpasswd: u }\naccess: [{ pull: ["*"] }]', /expected the key "repositories"/],
    [
      'identities: { htpasswd: u }\naccess: [{ repositories: [], pull: ["*"] }]',
      /expected at least one pattern/,
    ],
    [
      'identities: { htpasswd: u }\naccess: [{ repositories: ["**"], admin: [anonymous] }]',
      /anonymous cannot administer/,
    ],
    [
      'identities: { htpasswd: u }\naccess: [{ repositories: ["**"], push: ["ci-*"] }]',
      /expected a name or "\*" alone/,
    ],
    ['identities: {}', /expected the key "htpasswd"/],
  ])('refuses %j', async (yaml, message) => {
    const found = await refusal({ yaml });
    expect(found).toMatch(message);
    expect(found).not.toContain('hunter2');
  });

  it('does not load credentials without identities: anyone could use the rights of the gate', async () => {
    write('secret', 'pw');
    const yaml =
      'registries: [{ upstream: "https://u.example.com", credentials: { username: g, passwordFile: secret } }]';
    expect(await refusal({ yaml })).toMatch(/expected identities where credentials are set/);
    expect(await load({ yaml: yaml + IDENTITIES })).toMatchObject({ identities: {} });
  });

  it('sends credentials over plain HTTP to this machine only', async () => {
    write('secret', 'pw');
    const yaml = (upstream: string): string =>
      `registries: [{ upstream: "${upstream}", credentials: { username: g, passwordFile: secret } }]${IDENTITIES}`;
    expect(await refusal({ yaml: yaml('http://u.example.com') })).toMatch(
      /expected an https:\/\/ upstream where credentials are sent/,
    );
    expect(await load({ yaml: yaml('http://127.0.0.1:5000') })).toMatchObject({
      registries: [{}],
    });
    expect(await refusal({ yaml: yaml('embedded') })).toMatch(
      /expected no credentials for the embedded registry/,
    );
  });

  it.each([
    ['readable by everybody', 'pw', 0o644, /secret open to everybody/],
    ['empty', '\n', 0o600, /expected one line with the password/],
    ['of several lines', 'a\nb\n', 0o600, /expected one line with the password/],
    ['endless', 'x'.repeat(5000), 0o600, /expected at most 4096 bytes/],
  ])('refuses a password file that is %s', async (_, text, mode, message) => {
    write('secret', text, mode);
    const yaml = `registries: [{ upstream: "https://u.example.com", credentials: { username: g, passwordFile: secret } }]${IDENTITIES}`;
    const found = await refusal({ yaml });
    expect(found).toMatch(message);
  });

  it('cuts the line end of a password file, and nothing else', async () => {
    write('secret', ' two words \r\n', 0o440);
    const yaml = `registries: [{ upstream: "https://u.example.com", credentials: { username: g, passwordFile: secret } }]${IDENTITIES}`;
    expect((await load({ yaml })).registries[0]?.credentials?.password).toBe(' two words ');
  });

  it('says all errors at once', async () => {
    const found = await refusal({ yaml: 'listen: x\nstore: y\nregistries: [{ host: "!" }]' });
    expect(found.split('\n')).toHaveLength(3);
  });

  it('refuses registry settings by flag where the file has several registries', async () => {
    const yaml =
      'registries: [{ host: a.example.com }, { host: b.example.com, upstream: "https://u.example.com" }]';
    expect(await load({ yaml })).toMatchObject({
      registries: [{ host: 'a.example.com' }, { host: 'b.example.com' }],
    });
    expect(await refusal({ yaml, flags: { upstream: 'https://u.example.com' } })).toMatch(
      /expected one registry at most/,
    );
  });

  it.each([
    [
      { COUNTERSIGN_TLS: 'off', COUNTERSIGN_TLS_CERT: 'c' },
      /expected either COUNTERSIGN_TLS or both/,
    ],
    [
      { COUNTERSIGN_ACCESS: '[{ repositries: [] }]' },
      /COUNTERSIGN_ACCESS:1: .*did you mean "repositories"/,
    ],
    [{ COUNTERSIGN_LISTEN: 'x' }, /^COUNTERSIGN_LISTEN: expected HOST:PORT/],
  ])('names the variable that is wrong: %j', async (env, message) => {
    expect(await refusal({ env })).toMatch(message);
  });
});
