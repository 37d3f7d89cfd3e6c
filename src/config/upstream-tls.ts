import { X509Certificate } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { decodeUtf8 } from '../lib/bytes.ts';
import { messageOf } from '../lib/errors.ts';
import { readBoundedFile } from '../lib/file.ts';
import { LIMITS } from '../lib/limits.ts';
import type { TlsMaterial } from '../oci/tls.ts';
import { readTlsFolder, tlsFiles } from '../oci/tls.ts';
import type { RegistryConfig } from './config.ts';
import type { Problems } from './problems.ts';
import type { Written } from './written.ts';

/** Gives the certificates for an endpoint of one registry: upstream, its token server, its storage. */
export type EndpointTls = (url: URL) => Promise<TlsMaterial>;

const NOTHING: TlsMaterial = { ca: [], explicit: false };

/**
 * Reads `ca`: a file of authorities, or a folder as docker's for one host, with a client certificate
 * that only upstream is shown. It replaces the usual authorities for upstream's own host; where the
 * token server or the storage is another host, it adds to them. Without it, docker's folders count.
 */
export async function upstreamTls(
  written: Written | undefined,
  upstream: RegistryConfig['upstream'] | undefined,
  dockerFolder: string,
  problems: Problems,
): Promise<EndpointTls> {
  const usual = dockerFiles(dockerFolder, problems);
  if (written === undefined) return usual;
  if (upstream === 'embedded' || upstream?.protocol === 'http:') {
    problems.add(written.at, 'expected ca only with an https:// upstream; remove one of the two');
    return usual;
  }
  const named = await readNamed(written, problems);
  return async (url) => {
    if (url.host === upstream?.host) return named;
    const theirs = await usual(url);
    return { ...theirs, ca: [...named.ca, ...theirs.ca] };
  };
}

/** What docker itself would use for a host: `/etc/docker/certs.d`, then its configuration folder. */
function dockerFiles(dockerFolder: string, problems: Problems): EndpointTls {
  const lookup = tlsFiles({
    directories: ['/etc/docker/certs.d', join(dockerFolder, 'certs.d'), join(dockerFolder, 'tls')],
  });
  return async (url) => {
    if (url.protocol !== 'https:') return NOTHING;
    try {
      return await lookup(url.host);
    } catch (error) {
      problems.add(`certificates for ${url.host}`, messageOf(error));
      return NOTHING;
    }
  };
}

async function readNamed(written: Written, problems: Problems): Promise<TlsMaterial> {
  const path = resolve(written.base, written.text);
  const fail = (message: string): TlsMaterial => {
    problems.add(written.at, message);
    return NOTHING;
  };
  if (await isFolder(path)) {
    try {
      const found = await readTlsFolder(path);
      if (found.ca.length === 0 && found.client === undefined)
        return fail(`expected *.crt authorities, or X.cert with X.key, in ${path}, found none`);
      const wrong = found.ca.map(certificatesIn).some((one) => one === null);
      if (wrong) return fail(`expected PEM certificates in the *.crt files of ${path}`);
      return { ...found, explicit: found.ca.length > 0 };
    } catch (error) {
      return fail(messageOf(error));
    }
  }
  const file = await readBoundedFile(path, LIMITS.configFileBytes, 'CONFIG_INVALID');
  if (!file.ok) return fail(file.refusal.message);
  const text = certificatesIn(decodeUtf8(file.value.bytes) ?? '');
  return text === null
    ? fail(`expected PEM certificates in ${path}`)
    : { ca: [text], explicit: true };
}

async function isFolder(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch {
    return false;
  }
}

/** The text where it is PEM certificates that can be read, all of them; else `null`. */
function certificatesIn(text: string): string | null {
  const blocks = text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  return blocks.length > 0 && blocks.every(isCertificate) ? text : null;
}

function isCertificate(pem: string): boolean {
  try {
    return new X509Certificate(pem).raw.length > 0;
  } catch {
    return false;
  }
}
