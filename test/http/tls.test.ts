import { X509Certificate } from 'node:crypto';
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createListener } from '../../src/http/listener.ts';
import { loadCertificate, keepAutoTls, watchCertificate } from '../../src/http/tls-renewal.ts';
import { autoTls } from '../../src/http/tls.ts';
import { clientPath } from '../support/clients.ts';
import { describeWithClients } from '../support/describe-with-clients.ts';
import { run } from '../support/run.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'countersign-test-'));
});
afterEach(() => rmSync(folder, { recursive: true }));
const at = (name: string): string => join(folder, 'tls', name);

const HOSTS = [
  'registry.example.com:5443',
  '10.1.2.3:5443',
  '[2001:db8::1]:5443',
  'localhost:5443',
];
const DAY = 24 * 60 * 60 * 1000;

/** Meets the listener as a client that trusts the authority only; resolves with the error, if any. */
async function meet(
  tls: { cert: string; key: string },
  ca: string,
  servername: string,
): Promise<string> {
  const listener = createListener({ host: '127.0.0.1', port: 0, tls, bothOnLoopback: true });
  const { port } = await listener.listen();
  const outcome = await new Promise<string>((resolve) => {
    const socket = connect({ host: '127.0.0.1', port, ca, servername }, () => resolve('trusted'));
    socket.on('error', (error) => resolve(error.message));
    socket.on('secureConnect', () => socket.destroy());
  });
  await listener.close(0);
  return outcome;
}

describe('the certificate that the service makes itself', () => {
  it('is trusted by its authority for the configured and the loopback names only', async () => {
    const tls = await autoTls({ dataDir: folder, hosts: HOSTS });
    const ca = readFileSync(tls.caFile, 'utf8');
    for (const name of ['localhost', 'registry.example.com']) {
      expect(await meet(tls, ca, name)).toBe('trusted');
    }
    expect(await meet(tls, ca, 'other.example.com')).toMatch(/does not match|altnames/i);
    const certificate = new X509Certificate(tls.cert);
    for (const ip of ['127.0.0.1', '::1', '10.1.2.3', '2001:db8::1'])
      expect(certificate.checkIP(ip)).toBe(ip);
    const days = (Date.parse(certificate.validTo) - Date.parse(certificate.validFrom)) / DAY;
    expect(days).toBeLessThanOrEqual(397);
  });

  it('keeps its keys from other users', async () => {
    await autoTls({ dataDir: folder, hosts: HOSTS });
    expect(statSync(at('ca.key')).mode & 0o777).toBe(0o600);
    expect(statSync(at('server.pem')).mode & 0o777).toBe(0o600);
    chmodSync(at('ca.key'), 0o644);
    await expect(autoTls({ dataDir: folder, hosts: HOSTS })).rejects.toMatchObject({
      code: 'KEY_FILE_EXPOSED',
    });
  });

  it('is made once: the next start shows the same', async () => {
    const first = await autoTls({ dataDir: folder, hosts: HOSTS });
    const again = await autoTls({ dataDir: folder, hosts: HOSTS.toReversed() });
    expect(first.newAuthority).toBe(true);
    expect(again).toEqual({ ...first, newAuthority: false });
  });

  it('is renewed in its last thirty days, by the same authority', async () => {
    const options = { dataDir: folder, hosts: HOSTS };
    const first = await autoTls(options);
    const later = (days: number) => () => new Date(Date.now() + days * DAY);
    const kept = await autoTls({ ...options, clock: later(59) });
    const renewed = await autoTls({ ...options, clock: later(61) });
    expect(kept.cert).toBe(first.cert);
    expect(renewed).toMatchObject({ newAuthority: false });
    expect(renewed.cert).not.toBe(first.cert);
    expect(
      new X509Certificate(renewed.cert).checkIssued(
        new X509Certificate(readFileSync(at('ca.crt'))),
      ),
    ).toBe(true);
    // Near its own end the authority is replaced: it could not sign a certificate that it outlives.
    expect(await autoTls({ ...options, clock: later(3600) })).toMatchObject({ newAuthority: true });
  });

  it('is made anew, with its authority, for a host that the authority may not sign for', async () => {
    const first = await autoTls({ dataDir: folder, hosts: HOSTS });
    const fewer = await autoTls({ dataDir: folder, hosts: HOSTS.slice(1) });
    expect(fewer.newAuthority).toBe(false);
    expect(fewer.cert).not.toBe(first.cert);
    expect(new X509Certificate(fewer.cert).checkHost('registry.example.com')).toBeUndefined();
    const more = await autoTls({ dataDir: folder, hosts: [...HOSTS, 'new.example.com'] });
    expect(more.newAuthority).toBe(true);
    expect(await meet(more, readFileSync(more.caFile, 'utf8'), 'new.example.com')).toBe('trusted');
  });

  it.each(['ca.key', 'ca.crt', 'server.pem'])('mends a damaged or missing %s', async (file) => {
    await autoTls({ dataDir: folder, hosts: HOSTS });
    writeFileSync(at(file), 'damaged');
    const mended = await autoTls({ dataDir: folder, hosts: HOSTS });
    rmSync(at(file));
    const again = await autoTls({ dataDir: folder, hosts: HOSTS });
    for (const tls of [mended, again]) expect(tls.newAuthority).toBe(file !== 'server.pem');
    expect(await meet(again, readFileSync(again.caFile, 'utf8'), 'localhost')).toBe('trusted');
  });

  it('says so where the folder cannot be used', async () => {
    writeFileSync(join(folder, 'tls'), 'a file');
    await expect(autoTls({ dataDir: folder, hosts: [] })).rejects.toMatchObject({
      code: 'STORE_UNAVAILABLE',
    });
  });

  it('is renewed while the service runs, and told of', async () => {
    let now = Date.now();
    const told: string[] = [];
    const live = await keepAutoTls(
      { dataDir: folder, hosts: HOSTS, clock: () => new Date(now) },
      { changed: (next) => told.push(next.cert), problem: (message) => told.push(message) },
    );
    await live.refresh();
    expect(told).toEqual([]);
    now += 61 * DAY;
    await live.refresh();
    expect(told).toHaveLength(1);
    expect(told[0]).toMatch(/^-----BEGIN CERTIFICATE-----/);
    chmodSync(at('server.pem'), 0o666);
    await live.refresh();
    expect(told[1]).toMatch(/open to other users/);
    live.close();
  });
});

describeWithClients('other TLS libraries and the certificate', ['openssl', 'curl'], () => {
  it('is accepted by OpenSSL in its strict mode, and by curl on both protocols of one port', async () => {
    const tls = await autoTls({ dataDir: folder, hosts: HOSTS });
    const verify = (...more: string[]) =>
      run(clientPath('openssl'), [
        'verify',
        '-x509_strict',
        '-purpose',
        'sslserver',
        '-CAfile',
        tls.caFile,
        ...more,
        at('server.pem'),
      ]);
    for (const check of [
      ['-verify_hostname', 'registry.example.com'],
      ['-verify_ip', '2001:db8::1'],
      ['-verify_ip', '127.0.0.1'],
    ]) {
      expect(await verify(...check)).toMatchObject({ code: 0 });
    }
    expect(await verify('-verify_hostname', 'other.example.com')).toMatchObject({ code: 2 });
    const listener = createListener({ host: '127.0.0.1', port: 0, tls, bothOnLoopback: true });
    listener.server.on('request', (_request, response) => response.end('hello'));
    const { port } = await listener.listen();
    const curl = (url: string) =>
      run(clientPath('curl'), ['-sS', '--noproxy', '*', '--cacert', tls.caFile, url]);
    expect(await curl(`https://localhost:${port}/`)).toMatchObject({ code: 0, stdout: 'hello' });
    expect(await curl(`https://127.0.0.1:${port}/`)).toMatchObject({ code: 0, stdout: 'hello' });
    expect(await curl(`http://localhost:${port}/`)).toMatchObject({ code: 0, stdout: 'hello' });
    await listener.close(0);
  });

  it('of another name by the same authority is refused: its constraints bind a stolen key', async () => {
    const { caFile } = await autoTls({ dataDir: folder, hosts: [] });
    const file = (name: string): string => join(folder, name);
    const openssl = (args: string[]) => run(clientPath('openssl'), args);
    await openssl([
      'req',
      '-new',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-keyout',
      file('k'),
      '-out',
      file('csr'),
      '-subj',
      '/CN=x',
    ]);
    writeFileSync(file('ext'), 'subjectAltName=DNS:bank.example.com\n');
    const signed = await openssl([
      'x509',
      '-req',
      '-in',
      file('csr'),
      '-CA',
      caFile,
      '-CAkey',
      at('ca.key'),
      '-days',
      '2',
      '-extfile',
      file('ext'),
      '-out',
      file('crt'),
    ]);
    expect(signed.code).toBe(0);
    const verified = await openssl(['verify', '-CAfile', caFile, file('crt')]);
    expect(verified.code).not.toBe(0);
    expect(verified.output).toMatch(/permitted subtree violation/);
  });
});

describe('a certificate from files', () => {
  const cert = (): string => join(folder, 'cert.pem');
  const key = (): string => join(folder, 'key.pem');
  const files = (): { cert: string; key: string } => ({ cert: cert(), key: key() });
  async function pair(): Promise<{ cert: string; key: string }> {
    const dir = mkdtempSync(join(folder, 'made-'));
    return autoTls({ dataDir: dir, hosts: [] });
  }
  const put = (material: { cert: string; key: string }): void => {
    writeFileSync(cert(), material.cert);
    writeFileSync(key(), material.key, { mode: 0o600 });
  };

  it('is shown anew when both files have changed; a half or broken edit is told and changes nothing', async () => {
    const [one, two] = [await pair(), await pair()];
    put(one);
    const told: string[] = [];
    const live = await watchCertificate(
      files(),
      { changed: (next) => told.push(next.cert), problem: (message) => told.push(message) },
      1_000_000,
    );
    expect(live.material.cert).toBe(one.cert);
    writeFileSync(cert(), two.cert);
    await live.refresh();
    expect(told.splice(0)).toEqual([
      expect.stringMatching(/expected the key of the first certificate/),
    ]);
    writeFileSync(key(), two.key);
    await live.refresh();
    expect(told.splice(0)).toEqual([two.cert]);
    writeFileSync(cert(), 'damaged');
    await live.refresh();
    expect(told.splice(0)).toEqual([expect.stringMatching(/expected a PEM certificate/)]);
    writeFileSync(cert(), two.cert);
    await live.refresh();
    expect(told).toEqual([]);
    live.close();
  });

  it('is refused at the start where it cannot be served', async () => {
    const [one, two] = [await pair(), await pair()];
    const refusal = async (): Promise<unknown> => {
      const loaded = await loadCertificate(files());
      return loaded.ok ? undefined : loaded.refusal;
    };
    expect(await refusal()).toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringMatching(/there is no such file/) as string,
    });
    put({ cert: one.cert, key: two.key });
    expect(await refusal()).toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringMatching(/found another one/) as string,
    });
    put({ cert: one.cert, key: 'x' });
    expect(await refusal()).toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringMatching(/unencrypted key/) as string,
    });
    put(one);
    chmodSync(key(), 0o644);
    expect(await refusal()).toMatchObject({
      code: 'KEY_FILE_EXPOSED',
      message: expect.stringMatching(/chmod o-rwx/) as string,
    });
    chmodSync(key(), 0o440);
    expect(await refusal()).toBeUndefined();
    await expect(
      watchCertificate({ cert: key(), key: cert() }, { changed: () => {}, problem: () => {} }),
    ).rejects.toMatchObject({
      code: expect.stringMatching(/CONFIG_INVALID|KEY_FILE_EXPOSED/) as string,
    });
  });
});
