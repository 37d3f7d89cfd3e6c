import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { getCACertificates } from 'node:tls';
import { CountersignError, messageOf } from '../lib/errors.ts';
import { isLoopback } from '../lib/loopback.ts';

/** What a TLS connection to one host is made with. */
export interface TlsMaterial {
  /** Certificate authorities (PEM) trusted besides the usual ones. */
  readonly ca: readonly string[];
  /** True where even a loopback host is verified: a person named the authority for this command, or more than that host is at stake. */
  readonly explicit: boolean;
  readonly client?: { readonly cert: string; readonly key: string };
}

/** Finds the TLS material of a host (`name[:port]`). Throws CONFIG_INVALID for files that cannot be used. */
export type TlsLookup = (host: string) => Promise<TlsMaterial>;

/** Where TLS files are looked for. */
export interface TlsPlaces {
  /** Folders with one folder per host, docker's layout: `/etc/docker/certs.d`, `$DOCKER_CONFIG/tls`. */
  readonly directories: readonly string[];
  /** A file of certificate authorities that holds for every host (`--ca`). */
  readonly caFile?: string;
}

/** No files at all: the machine's own authorities decide. */
export const NO_TLS_FILES: TlsLookup = () => Promise.resolve({ ca: [], explicit: false });

/**
 * Looks for TLS files as docker does: in each folder's `<host>/`, `*.crt` are authorities, `X.cert`
 * with `X.key` is a client certificate (docker/docs "Use certificates").
 */
export function tlsFiles(places: TlsPlaces): TlsLookup {
  return async (host) => {
    const ca: string[] = [];
    if (places.caFile !== undefined) ca.push(await readAuthority(places.caFile));
    let client: TlsMaterial['client'];
    for (const directory of places.directories) {
      const found = await readTlsFolder(join(directory, host));
      ca.push(...found.ca);
      client ??= found.client;
    }
    const explicit = places.caFile !== undefined;
    return client === undefined ? { ca, explicit } : { ca, explicit, client };
  };
}

/**
 * Reads one folder of docker's layout: `*.crt` are authorities, `X.cert` with `X.key` is a client
 * certificate. No folder is an empty one. Throws CONFIG_INVALID for files that cannot be used.
 */
export async function readTlsFolder(folder: string): Promise<Omit<TlsMaterial, 'explicit'>> {
  let names: string[];
  try {
    names = (await readdir(folder)).toSorted();
  } catch (error) {
    // No folder is the usual case; one that cannot be read is not to be skipped in silence.
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT' || code === 'ENOTDIR') return { ca: [] };
    throw new CountersignError('CONFIG_INVALID', `cannot read ${folder}: ${messageOf(error)}`, {
      cause: error,
    });
  }
  const ca: string[] = [];
  let client: TlsMaterial['client'];
  for (const name of names) {
    if (name.endsWith('.crt')) ca.push(await readAuthority(join(folder, name)));
    if (!name.endsWith('.cert')) continue;
    const keyName = `${name.slice(0, -'.cert'.length)}.key`;
    if (!names.includes(keyName)) {
      throw new CountersignError(
        'CONFIG_INVALID',
        `expected ${keyName} beside the client certificate ${join(folder, name)}; authorities end in .crt`,
      );
    }
    client ??= {
      cert: await readPem(join(folder, name)),
      key: await readPem(join(folder, keyName)),
    };
  }
  return client === undefined ? { ca } : { ca, client };
}

async function readPem(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    throw new CountersignError('CONFIG_INVALID', `cannot read ${file}: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

async function readAuthority(file: string): Promise<string> {
  const pem = await readPem(file);
  if (pem.includes('-----BEGIN CERTIFICATE-----')) return pem;
  throw new CountersignError('CONFIG_INVALID', `expected PEM certificates in ${file}, found none`);
}

/** Options of a TLS connection, as node:tls takes them. */
export interface TlsConnect {
  readonly ca?: string[];
  readonly cert?: string;
  readonly key?: string;
  readonly rejectUnauthorized: boolean;
}

/**
 * Turns material into connection options. Trusted are Node's own authorities, the machine's (as docker
 * trusts them: where a company installs its own), and those of the material.
 */
export function tlsConnect(material: TlsMaterial, verify: boolean): TlsConnect {
  return {
    rejectUnauthorized: verify,
    ...material.client,
    ...(verify ? { ca: [...usualAuthorities(), ...material.ca] } : {}),
  };
}

let usual: readonly string[] | undefined;

// Read once: the machine's list takes some fifty milliseconds.
function usualAuthorities(): readonly string[] {
  usual ??= [...new Set([...getCACertificates('default'), ...getCACertificates('system')])];
  return usual;
}

/** True for the hosts that docker treats as insecure without being told: `localhost`, 127.0.0.0/8, `::1`, with or without a port. */
export function isLoopbackHost(host: string): boolean {
  return isLoopback(host.replace(/:[0-9]+$/, ''));
}
