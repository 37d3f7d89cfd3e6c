import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, it } from 'vitest';
import { clientPath } from '../support/clients.ts';
import { describeWithClients } from '../support/describe-with-clients.ts';
import type { Ran } from '../support/run.ts';
import { mustRun, run } from '../support/run.ts';
import { suiteScope } from '../support/scope.ts';
import type { MadeRepository } from '../support/tuf.ts';
import { GUN, makeRepository, tag } from '../support/tuf.ts';

/** The clients have their own clock. */
const made = (now = new Date()): Promise<MadeRepository> => makeRepository({ now });

describeWithClients('the real notary client reads what is written here', ['notary'], () => {
  const scope = suiteScope();

  /** Puts a repository where the client caches one, and asks it; the server is nowhere. */
  function notary(
    name: string,
    files: ReadonlyMap<string, Uint8Array>,
    args: readonly string[],
    input?: string,
  ): Promise<Ran> {
    const folder = join(scope.folder(), name);
    for (const [role, bytes] of files) {
      const path = join(folder, 'tuf', GUN, 'metadata', `${role}.json`);
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, bytes);
    }
    const all = ['-s', 'https://127.0.0.1:1', '-d', folder, ...args];
    return run(clientPath('notary'), all, input === undefined ? {} : { input });
  }

  it('lists the tags of targets and of delegations, signed by P-256, P-384 and Ed25519 keys', async () => {
    const { files } = await made();
    const { code, output } = await notary('list', files, ['list', GUN]);
    expect([code, output]).toEqual([0, expect.stringContaining('using cached timestamp')]);
    const rows = output.split('\n').map((line) => line.trim().split(/\s+/));
    expect(rows).toContainEqual(['old', tag('old').sha256, '3', 'targets']);
    expect(rows).toContainEqual(['new', tag('new').sha256, '3', 'targets/alice']);
  });

  it('verifies content by them', async () => {
    const { files } = await made();
    expect(await notary('verify', files, ['verify', GUN, 'old'], 'old')).toMatchObject({
      code: 0,
      stdout: 'old',
    });
    expect((await notary('verify', files, ['verify', GUN, 'old'], 'evil')).code).not.toBe(0);
    expect((await notary('verify', files, ['verify', GUN, 'none'], 'old')).code).not.toBe(0);
  });

  it('and refuses what we refuse', async () => {
    const { files } = await made();
    const other = await made();
    for (const role of ['root', 'targets', 'snapshot', 'timestamp']) {
      const mixed = new Map(files).set(role, other.files.get(role) as Buffer);
      expect((await notary(`mixed-${role}`, mixed, ['list', GUN])).code).not.toBe(0);
    }
    const expired = await made(new Date(Date.now() - 15 * 86_400_000));
    expect((await notary('expired', expired.files, ['list', GUN])).code).not.toBe(0);
  });
});

describeWithClients('OpenSSL agrees with what is written here', ['openssl'], () => {
  const scope = suiteScope();

  it('about the root certificate and the signatures', async () => {
    const { files } = await made();
    const text = (files.get('root') as Buffer).toString();
    const root = JSON.parse(text) as {
      signed: { keys: Record<string, { keytype: string; keyval: { public: string } }> };
      signatures: { keyid: string; sig: string }[];
    };
    const [signature] = root.signatures;
    const listed = root.signed.keys[signature?.keyid ?? ''];
    const folder = scope.folder();
    const path = (name: string) => join(folder, name);
    writeFileSync(path('cert.pem'), Buffer.from(listed?.keyval.public ?? '', 'base64'));
    const openssl = (...args: string[]): Promise<Ran> =>
      mustRun(clientPath('openssl'), args, { cwd: folder });
    const { stdout } = await openssl('x509', '-in', 'cert.pem', '-noout', '-text', '-pubkey');
    expect(stdout).toContain(`Subject: CN = ${GUN}`);
    expect(stdout).toContain('Code Signing');
    expect(stdout).toContain('Digital Signature, Key Encipherment');
    expect(stdout).toContain('CA:FALSE');
    await openssl('verify', '-check_ss_sig', '-CAfile', 'cert.pem', '-purpose', 'any', 'cert.pem');
    writeFileSync(
      path('message'),
      text.slice('{"signed":'.length, text.indexOf(',"signatures":[')),
    );
    const raw = Buffer.from(signature?.sig ?? '', 'base64');
    writeFileSync(path('signature'), derOf(raw));
    writeFileSync(path('key.pem'), stdout.slice(stdout.indexOf('-----BEGIN PUBLIC KEY')));
    const verified = await openssl(
      'dgst',
      '-sha256',
      '-verify',
      'key.pem',
      '-signature',
      'signature',
      'message',
    );
    expect(verified.stdout).toContain('Verified OK');
    expect(readFileSync(path('message'), 'utf8')).toMatch(/^\{"_type":"Root",.*"version":1\}$/);
  });
});

/** r‖s of P-256 as DER. */
function derOf(raw: Buffer): Buffer {
  const numbers = [raw.subarray(0, 32), raw.subarray(32)].map((half) => {
    const start = half.findIndex((byte) => byte !== 0);
    const digits = half.subarray(start);
    const padded = (digits[0] ?? 0) >= 0x80 ? Buffer.concat([Buffer.of(0), digits]) : digits;
    return Buffer.concat([Buffer.of(2, padded.length), padded]);
  });
  const body = Buffer.concat(numbers);
  return Buffer.concat([Buffer.of(0x30, body.length), body]);
}
