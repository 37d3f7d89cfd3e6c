import { X509Certificate, createPrivateKey, generateKeyPairSync } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { isIP } from 'node:net';
import { join } from 'node:path';
import { makeCertificate, permits } from './certificate.ts';
import { readPrivateFile } from '../keys/private-file.ts';
import { CountersignError, messageOf } from '../lib/errors.ts';
import { readBoundedFile, replaceFile } from '../lib/file.ts';
import { LIMITS } from '../lib/limits.ts';
import type { Clock } from '../lib/time.ts';
import { systemClock } from '../lib/time.ts';
import type { TlsMaterial } from './listener.ts';

/** The service's own certificate, and the authority that people trust it by. */
export interface AutoTls extends TlsMaterial {
  /** The authority's certificate: what `docker`'s certs.d or `curl --cacert` want. */
  readonly caFile: string;
  /** True where the authority was made just now: what trusted an older one must be given this one. */
  readonly newAuthority: boolean;
}

/** Whom the certificate is for, and where it is kept. */
export interface AutoTlsOptions {
  readonly dataDir: string;
  /** Registry hosts, ports and all; loopback names are always in it. */
  readonly hosts: readonly string[];
  readonly clock?: Clock;
}

const DAY_MS = 24 * 60 * 60 * 1000;
/** Browsers and Apple's TLS refuse server certificates that last longer than 398 days. */
const SERVER_DAYS = 90;
const RENEW_DAYS = 30;
const AUTHORITY_DAYS = 3650;
const LOOPBACK_NAMES = ['localhost', '127.0.0.1', '::1'];
const AUTHORITY_NAME = 'Countersign local authority';

interface Authority {
  readonly certificate: string;
  readonly key: string;
}

/**
 * The certificate that the service makes itself: an authority in `DATA/tls` (made once, limited to
 * the configured names), and a server certificate by it, made anew when it nears its end or the hosts
 * change. Throws KEY_FILE_EXPOSED where others can read the keys, STORE_UNAVAILABLE where the folder
 * cannot be used.
 */
export async function autoTls(options: AutoTlsOptions): Promise<AutoTls> {
  const now = (options.clock ?? systemClock)();
  const folder = join(options.dataDir, 'tls');
  const names = [...new Set([...LOOPBACK_NAMES, ...options.hosts.map(withoutPort)])].toSorted();
  const caFile = join(folder, 'ca.crt');
  const serverFile = join(folder, 'server.pem');
  try {
    await mkdir(folder, { recursive: true });
    const kept = await keptAuthority(folder, names, now);
    const authority = kept ?? (await newAuthority(folder, names, now));
    const server =
      (await keptServer(serverFile, authority, names, now)) ??
      (await newServer(serverFile, authority, names, now));
    return { ...server, caFile, newAuthority: kept === undefined };
  } catch (error) {
    if (error instanceof CountersignError) throw error;
    const message = `expected to keep TLS files in ${folder}, but ${messageOf(error)}`;
    throw new CountersignError('STORE_UNAVAILABLE', message, { cause: error });
  }
}

/** The host of `name`, `name:port`, `1.2.3.4:port` or `[::1]:port`. */
function withoutPort(host: string): string {
  const bracketed = /^\[([^\]]+)\]/.exec(host)?.[1];
  return bracketed ?? host.replace(/:[0-9]+$/, '');
}

async function keptAuthority(
  folder: string,
  names: readonly string[],
  now: Date,
): Promise<Authority | undefined> {
  const certificate = await readText(join(folder, 'ca.crt'));
  const key = await readKey(join(folder, 'ca.key'));
  if (certificate === undefined || key === undefined) return undefined;
  // Clients would refuse a certificate for a name outside the authority's constraints.
  if (!permits(certificate, names)) return undefined;
  return remaining(certificate, key, now) > SERVER_DAYS * DAY_MS ? { certificate, key } : undefined;
}

async function newAuthority(
  folder: string,
  names: readonly string[],
  now: Date,
): Promise<Authority> {
  const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  // The day tells people two of them apart.
  const subject = `${AUTHORITY_NAME} ${now.toISOString().slice(0, 10)}`;
  const certificate = makeCertificate({
    subject,
    publicKey: pair.publicKey,
    issuer: { name: subject, key: pair.privateKey },
    ...validity(now, AUTHORITY_DAYS),
    use: 'authority',
    names,
  });
  const key = pair.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  // A process killed between the two leaves a pair that does not fit, which the next start replaces.
  await replaceFile(join(folder, 'ca.key'), key, 0o600);
  await replaceFile(join(folder, 'ca.crt'), certificate, 0o644);
  return { certificate, key };
}

async function keptServer(
  file: string,
  authority: Authority,
  names: readonly string[],
  now: Date,
): Promise<TlsMaterial | undefined> {
  const pem = await readKey(file);
  const at = pem?.indexOf('-----BEGIN CERTIFICATE-----') ?? -1;
  if (pem === undefined || at < 0) return undefined;
  const material = { cert: pem.slice(at), key: pem.slice(0, at) };
  if (remaining(material.cert, material.key, now) <= RENEW_DAYS * DAY_MS) return undefined;
  const certificate = new X509Certificate(material.cert);
  const issuer = new X509Certificate(authority.certificate);
  const issued = certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey);
  const named = certificate.subjectAltName?.split(', ').length === names.length;
  const all = names.every((name) =>
    isIP(name) === 0 ? certificate.checkHost(name) : certificate.checkIP(name),
  );
  return issued && named && all ? material : undefined;
}

async function newServer(
  file: string,
  authority: Authority,
  names: readonly string[],
  now: Date,
): Promise<TlsMaterial> {
  const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const issuer = /CN=(.+)/.exec(new X509Certificate(authority.certificate).subject)?.[1] ?? '';
  const cert = makeCertificate({
    subject: 'Countersign',
    publicKey: pair.publicKey,
    issuer: { name: issuer, key: createPrivateKey(authority.key) },
    ...validity(now, SERVER_DAYS),
    use: 'server',
    names,
  });
  const key = pair.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  await replaceFile(file, `${key}${cert}`, 0o600);
  return { cert, key };
}

/** From an hour ago: clocks of clients differ. */
function validity(now: Date, days: number): { readonly notBefore: Date; readonly notAfter: Date } {
  const start = now.getTime() - 60 * 60 * 1000;
  return { notBefore: new Date(start), notAfter: new Date(start + days * DAY_MS) };
}

/** How long the certificate still holds, ms; 0 where it and the key do not fit or it does not hold yet. */
function remaining(certificate: string, key: string, now: Date): number {
  try {
    const parsed = new X509Certificate(certificate);
    if (!parsed.checkPrivateKey(createPrivateKey(key))) return 0;
    if (Date.parse(parsed.validFrom) > now.getTime()) return 0;
    return Math.max(0, Date.parse(parsed.validTo) - now.getTime());
  } catch {
    // Not a certificate or not a key: of no use for any time.
    return 0;
  }
}

async function readText(file: string): Promise<string | undefined> {
  const content = await readBoundedFile(file, LIMITS.keyFileBytes, 'STORE_UNAVAILABLE');
  return content.ok ? content.value.bytes.toString('utf8') : undefined;
}

/** A key file of ours; throws KEY_FILE_EXPOSED where others can read it: the key may be known already. */
async function readKey(file: string): Promise<string | undefined> {
  const content = await readPrivateFile(file);
  if (!content.ok) return undefined;
  const { exposed, bytes } = content.value;
  if (exposed === null) return bytes.toString('utf8');
  throw new CountersignError(
    exposed.code,
    `${exposed.message}, or delete it to have a new one made`,
  );
}
