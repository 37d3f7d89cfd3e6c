import { spawn, spawnSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { parsePublicKey } from '../../src/keys/public-key.ts';
import { unwrap } from '../../src/lib/result.ts';
import type { Site } from '../support/countersign.ts';
import { createSite, ENTRY } from '../support/countersign.ts';
import { suiteScope } from '../support/scope.ts';

const REPOSITORY = 'DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE';
const vectors = join(import.meta.dirname, '..', 'vectors', 'keys');

describe('countersign key', () => {
  const scope = suiteScope();
  let count = 0;
  let site: Site;
  let store: string;
  beforeEach(() => {
    const folder = join(scope.folder(), String(count++));
    site = createSite(folder);
    store = join(folder, 'docker-config', 'trust', 'private');
  });

  const stored = (): readonly string[] => (existsSync(store) ? readdirSync(store) : []);
  const json = async (args: readonly string[], env = {}): Promise<Record<string, unknown>> => {
    const { stdout } = await site.cli([...args, '--output', 'json'], { env });
    return JSON.parse(stdout) as Record<string, unknown>;
  };
  /** A private file as another tool left it. */
  const given = (vector: string, name = vector, mode = 0o600): string => {
    const path = join(site.folder, name);
    writeFileSync(path, readFileSync(join(vectors, vector)));
    chmodSync(path, mode);
    return path;
  };

  it('generates a key, writes its public half here and says what to do next', async () => {
    const ran = await site.cli(['key', 'generate', 'release-bot']);
    expect(ran).toMatchObject({ code: 0, stderr: '' });
    const { id, type } = unwrap(parsePublicKey(readFileSync(join(site.folder, 'release-bot.pub'))));
    expect(type).toBe('ed25519');
    expect(ran.stdout).toContain(id);
    expect(ran.stdout).toContain('keys: [keys/release-bot.pub]');
    expect(ran.stdout).toContain('countersign sign --key release-bot');
    expect(ran.stdout).toContain('--type ecdsa-p256');
    const [file = ''] = stored();
    expect(statSync(join(store, file)).mode & 0o777).toBe(0o600);
    expect(readFileSync(join(store, file), 'utf8')).toContain('ENCRYPTED PRIVATE KEY');
  });

  it.each(['ed25519', 'ecdsa-p256', 'ecdsa-p384', 'rsa'])('generates %s', async (type) => {
    const made = await json(['key', 'generate', 'bot', '--type', type]);
    expect(made).toMatchObject({ name: 'bot', type, publicKey: 'bot.pub' });
    const pub = unwrap(parsePublicKey(readFileSync(join(site.folder, 'bot.pub'))));
    expect(pub.id).toBe(made['keyId']);
    const listed = await json(['key', 'list']);
    expect(listed['keys']).toMatchObject([
      {
        name: 'bot',
        keyId: made['keyId'],
        notaryId: made['notaryId'],
        encrypted: true,
        problem: null,
      },
    ]);
    const table = await site.cli(['key', 'list']);
    const ids = [made['keyId'], made['notaryId']].map((id) => String(id).slice(0, 12));
    expect(table.stdout).toMatch(new RegExp(`^bot +${ids.join(' +')} +encrypted$`, 'm'));
    const shown = await json(['key', 'export', 'bot', '--public']);
    expect(shown).toMatchObject({ keyId: made['keyId'], notaryId: made['notaryId'] });
  });

  it.each<readonly [string, readonly string[], string]>([
    ['a bad name', ['Bad/Name'], 'expected a key name'],
    ['a name that Notary keeps', ['targets'], 'which Notary keeps'],
    ['an unknown type', ['bot', '--type', 'dsa'], 'dsa'],
    ['a folder that is not there', ['bot', '--out', 'nowhere'], 'expected a folder at nowhere'],
    ['a missing passphrase file', ['bot', '--passphrase-file', 'none'], 'ENOENT'],
    ['no name', [], 'missing required argument'],
  ])('refuses %s and makes nothing', async (_, args, message) => {
    const ran = await site.cli(['key', 'generate', ...args]);
    expect(ran.code).toBe(2);
    expect(ran.stderr).toContain(message);
    expect(stored()).toEqual([]);
    expect(readdirSync(site.folder).filter((name) => name.endsWith('.pub'))).toEqual([]);
  });

  it('refuses a name that is taken here or in the store, and changes nothing', async () => {
    writeFileSync(join(site.folder, 'bot.pub'), 'mine');
    expect(await site.cli(['key', 'generate', 'bot'])).toMatchObject({ code: 2 });
    expect(readFileSync(join(site.folder, 'bot.pub'), 'utf8')).toBe('mine');
    expect(stored()).toEqual([]);
    await site.key('bot');
    const before = stored();
    const ran = await site.cli(['key', 'generate', 'bot', '--out', 'policies']);
    expect(ran.code).toBe(2);
    expect(ran.stderr).toContain('a key named bot is already there');
    expect(stored()).toEqual(before);
  });

  it('takes the private half back where the public half cannot be written', async () => {
    const blocked = join(site.folder, 'blocked');
    writeFileSync(blocked, 'a file');
    const ran = await site.cli(['key', 'generate', 'bot', '--out', blocked]);
    expect(ran.code).not.toBe(0);
    expect(stored()).toEqual([]);
  });

  it('refuses without a passphrase, with a short one, and never shows one', async () => {
    const none = await site.cli(['key', 'generate', 'bot'], { env: { [REPOSITORY]: undefined } });
    expect(none.code).toBe(2);
    expect(none.stderr).toContain(REPOSITORY);
    const short = await site.cli(['key', 'generate', 'bot'], { env: { [REPOSITORY]: 'c4n4ry' } });
    expect(short.code).toBe(2);
    expect(short.output).not.toContain('c4n4ry');
    expect(stored()).toEqual([]);
  });

  it('refuses a wrong passphrase with status 1 and writes nothing', async () => {
    await site.key('bot');
    for (const format of ['docker', 'cosign', 'pkcs8']) {
      const ran = await site.cli(['key', 'export', 'bot', '--format', format, '--out', 'x.key'], {
        env: { [REPOSITORY]: 'wrong passphrase' },
      });
      expect(ran.code).toBe(1);
      expect(ran.stderr).toContain('key bot: the passphrase does not open the key');
      expect(ran.output).not.toContain('wrong passphrase');
    }
    expect(existsSync(join(site.folder, 'x.key'))).toBe(false);
  });

  it('answers a failure as JSON too', async () => {
    const failed = await json(['key', 'export', 'nobody']);
    expect(failed['error']).toMatchObject({ code: 'KEY_NOT_FOUND' });
  });

  it.each(['docker', 'cosign', 'pkcs8'])('carries a key to another store as %s', async (format) => {
    const env = { COSIGN_PASSWORD: 'another passphrase' };
    const made = await json(['key', 'generate', 'bot']);
    const exported = await site.cli(['key', 'export', 'bot', '--format', format], { env });
    expect(exported.code).toBe(0);
    const file = join(site.folder, 'bot.key');
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(exported.stderr.includes('not encrypted')).toBe(format === 'pkcs8');
    expect(await site.cli(['key', 'export', 'bot', '--format', format], { env })).toMatchObject({
      code: 2,
    });
    const elsewhere = { ...env, DOCKER_CONFIG: join(site.folder, 'elsewhere') };
    const imported = await json(['key', 'import', './bot.key'], elsewhere);
    expect(imported).toMatchObject({ name: 'bot', keyId: made['keyId'] });
  });

  it('exports the public half to a file and to stdout alike', async () => {
    await site.key('bot');
    const shown = await site.cli(['key', 'export', 'bot', '--public']);
    const pub = readFileSync(join(site.policies, 'keys', 'bot.pub'), 'utf8');
    expect(shown.stdout).toBe(pub);
    await site.cli(['key', 'export', 'bot', '--public', '--out', 'copy.pub']);
    expect(readFileSync(join(site.folder, 'copy.pub'), 'utf8')).toBe(pub);
  });

  it('encrypts an export under a passphrase of its own', async () => {
    await site.key('bot');
    writeFileSync(join(site.folder, 'new'), 'for the courier\n');
    await site.cli(['key', 'export', 'bot', '--new-passphrase-file', 'new']);
    const env = { DOCKER_CONFIG: join(site.folder, 'elsewhere') };
    expect(await site.cli(['key', 'import', 'bot.key'], { env })).toMatchObject({ code: 1 });
    const opened = await site.cli(['key', 'import', 'bot.key', '--passphrase-file', 'new'], {
      env,
    });
    expect(opened.code).toBe(0);
  });

  it.each([
    ['docker-28-p256.key', 'alice'],
    ['notary-0.7-ed25519.key', 'bob'],
    ['openssl-aes256-sha256.key', 'openssl-aes256-sha256'],
    ['openssl-sec1-with-parameters.key', 'openssl-sec1-with-parameters'],
  ])('imports %s as %s', async (vector, name) => {
    given(vector);
    writeFileSync(join(site.folder, 'p'), 'correct horse');
    const imported = await json(['key', 'import', vector, '--passphrase-file', 'p']);
    expect(imported).toMatchObject({ name });
  });

  it("imports cosign's key under its own variable, asking for a name where none fits", async () => {
    given('cosign-2-p256.key', 'My Key.key');
    const env = { COSIGN_PASSWORD: 'correct horse' };
    const unnamed = await site.cli(['key', 'import', 'My Key.key'], { env });
    expect(unnamed).toMatchObject({ code: 2 });
    expect(unnamed.stderr).toContain('give --name NAME');
    const badly = await site.cli(['key', 'import', 'My Key.key', '--name', 'My'], { env });
    expect(badly.stderr).toContain('expected a key name');
    expect(stored()).toEqual([]);
    expect(await json(['key', 'import', 'My Key.key', '--name', 'mine'], env)).toMatchObject({
      name: 'mine',
      type: 'ecdsa-p256',
    });
  });

  it('refuses to import what others can read, what is weak, and what is no private key', async () => {
    given('openssl-sec1-with-parameters.key', 'open.key', 0o644);
    given('p256.pub', 'public.key', 0o644);
    const weak = generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey;
    const pem = weak.export({ format: 'pem', type: 'pkcs8' });
    writeFileSync(join(site.folder, 'weak.key'), pem, { mode: 0o600 });
    for (const [file, message] of [
      ['open.key', "run: chmod 600 'open.key'"],
      ['public.key', 'found a public key'],
      ['weak.key', '1024'],
      ['none.key', 'there is no such file'],
    ] as const) {
      const ran = await site.cli(['key', 'import', file]);
      expect(ran.code).toBe(2);
      expect(ran.stderr).toContain(message);
    }
    expect(stored()).toEqual([]);
  });

  it('lists nothing with a hint, and unusable keys with the reason', async () => {
    const empty = await site.cli(['key', 'list']);
    expect(empty).toMatchObject({ code: 0, stdout: '' });
    expect(empty.stderr).toContain('countersign key generate NAME');
    await site.key('bot');
    mkdirSync(store, { recursive: true });
    given('docker-28-p256.key', `docker-config/trust/private/${'a'.repeat(64)}.key`, 0o644);
    const { stdout } = await site.cli(['key', 'list']);
    expect(stdout).toMatch(/^alice +- +a{12} +unusable: .*chmod 600/m);
    expect(stdout).toMatch(/^bot +[0-9a-f]{12} +[0-9a-f]{12} +encrypted$/m);
  });

  it("names a file by the id where the role line is no file's name", async () => {
    const hostile = readFileSync(join(vectors, 'openssl-sec1-with-parameters.key'), 'utf8')
      .replace(/-----BEGIN EC PARAMETERS[^]*END EC PARAMETERS-----\n/, '')
      .replace('KEY-----\n', 'KEY-----\nrole: ../../escape\ngun: example.com/app\n\n');
    given('p256.pub', 'x.key');
    writeFileSync(join(site.folder, 'x.key'), hostile);
    const { notaryId } = await json(['key', 'import', 'x.key']);
    const [file = ''] = stored();
    writeFileSync(join(store, file), hostile);
    const exported = await json(['key', 'export', String(notaryId)]);
    expect(exported['file']).toBe(`${String(notaryId).slice(0, 12)}.key`);
    const text = readFileSync(join(site.folder, String(exported['file'])), 'utf8');
    expect(text).toContain('gun: example.com/app\n');
  });

  it('removes a key only when told so', async () => {
    await site.key('bot');
    const unasked = await site.cli(['key', 'remove', 'bot']);
    expect(unasked).toMatchObject({ code: 2 });
    expect(unasked.stderr).toContain('--yes');
    expect(stored()).toHaveLength(1);
    expect(await json(['key', 'remove', 'bot', '--yes'])).toMatchObject({ removed: true });
    expect(stored()).toEqual([]);
    expect(await site.cli(['key', 'remove', 'bot', '--yes'])).toMatchObject({ code: 2 });
  });

  it('keeps no part of a key where the disk is full', async (context) => {
    const full = [
      'mount -t tmpfs -o size=64k none "$1" && mkdir "$1/trust" "$1/trust/private"',
      'head -c 1000000 /dev/zero > "$1/fill" 2>/dev/null',
      'DOCKER_CONFIG="$1" "$2" "$3" key generate bot; echo "status $?"',
      'find "$1/trust" -type f',
    ].join('\n');
    const mount = join(site.folder, 'mnt');
    mkdirSync(mount);
    const args = ['-rm', 'sh', '-c', full, 'sh', mount, process.execPath, ENTRY];
    const ran = spawnSync('unshare', args, {
      encoding: 'utf8',
      cwd: site.folder,
      env: { ...process.env, ...site.env } as NodeJS.ProcessEnv,
    });
    if (!ran.stdout.includes('status')) {
      context.skip(`needs unshare with user namespaces: ${ran.stderr}`);
    }
    expect(ran.stderr).toContain('no room is left');
    expect(ran.stdout).toBe('status 3\n');
  });

  /** Runs the command at a terminal and types each answer after its question. */
  const typed = (
    command: readonly string[],
    answers: readonly (readonly [question: string, answer: string])[],
  ): Promise<{ code: number | null; shown: string }> =>
    new Promise((resolve) => {
      const line = [process.execPath, ENTRY, ...command].map((arg) => `'${arg}'`).join(' ');
      const env = { ...process.env, ...site.env, [REPOSITORY]: '' } as NodeJS.ProcessEnv;
      const child = spawn('script', ['-qec', line, '/dev/null'], { cwd: site.folder, env });
      const waiting = [...answers];
      let shown = '';
      let seen = 0;
      child.stdout.setEncoding('utf8').on('data', (text: string) => {
        shown += text;
        const [question = '', answer = ''] = waiting[0] ?? [];
        if (waiting.length > 0 && shown.includes(question, seen)) {
          seen = shown.length;
          waiting.shift();
          child.stdin.write(answer);
        }
      });
      child.on('close', (code) => resolve({ code, shown }));
    });
  const hasScript = spawnSync('script', ['--version']).status === 0;

  it.skipIf(!hasScript)('asks at a real terminal, twice for a new passphrase', async () => {
    const made = await typed(
      ['key', 'generate', 'bot'],
      [
        ['Enter a new passphrase', 'hunter2222\r'],
        ['Repeat the passphrase', 'hunter2222\r'],
      ],
    );
    expect(made).toMatchObject({ code: 0, shown: expect.stringContaining('Made the ed25519 key') });
    expect(made.shown).not.toContain('hunter2222');
    const kept = await typed(['key', 'remove', 'bot'], [['Remove the private key bot', 'n']]);
    expect(kept).toMatchObject({ code: 1, shown: expect.stringContaining('nothing was changed') });
    expect(stored()).toHaveLength(1);
    const gone = await typed(['key', 'remove', 'bot'], [['Remove the private key bot', 'y']]);
    expect(gone.code).toBe(0);
    expect(stored()).toEqual([]);
  });
});
