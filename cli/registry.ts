import { join } from 'node:path';
import type { Command } from 'commander';
import { Option } from 'commander';
import { CountersignError } from '../src/lib/errors.ts';
import { unwrap } from '../src/lib/result.ts';
import type { RegistryClient } from '../src/oci/client.ts';
import { createRegistryClient } from '../src/oci/client.ts';
import { dockerCredentials } from '../src/oci/credentials.ts';
import type { Retry } from '../src/oci/exchange.ts';
import type { Reference } from '../src/oci/reference.ts';
import { parseHost, parseReference, withDefaultTag } from '../src/oci/reference.ts';
import type { TlsLookup } from '../src/oci/tls.ts';
import { tlsFiles } from '../src/oci/tls.ts';
import { dockerConfigFolder } from '../src/config/docker-folder.ts';
import { repeated } from './repeated.ts';

/** The options of every command that talks to a registry; see {@link addRegistryOptions}. */
export interface RegistryFlags {
  readonly ca?: string;
  readonly authHost?: readonly string[];
}

/** Docker's folder of certificates per host. */
const CERTS = '/etc/docker/certs.d';

/** Declares `--ca` and `--auth-host` on a command. */
export function addRegistryOptions(command: Command): Command {
  return command
    .addOption(
      new Option(
        '--ca <file>',
        "certificate authority of the registry (PEM), besides the machine's",
      ),
    )
    .addOption(
      new Option(
        '--auth-host <host>',
        'another host that the registry may send logins to (its token server)',
      ).argParser(repeated),
    );
}

/**
 * Makes a client for an image's registry, from the command's options, docker's login and certificates.
 * Nothing is read or sent before its first call. Whoever makes it closes it.
 */
export function openRegistry(
  image: Pick<Reference, 'host'>,
  flags: RegistryFlags,
  env: NodeJS.ProcessEnv,
  signal?: AbortSignal,
  retry?: Retry,
): RegistryClient {
  const config = dockerConfigFolder(env);
  return createRegistryClient({
    host: image.host,
    credentials: dockerCredentials(config),
    tls: registryTls(flags, config),
    allowedRealms: (flags.authHost ?? []).map((host) => unwrap(parseHost(host))),
    ...(signal === undefined ? {} : { signal }),
    ...(retry === undefined ? {} : { retry }),
  });
}

/** The TLS files of a command: docker's folders, for registries and trust servers alike, and `--ca`. */
export function registryTls(flags: RegistryFlags, dockerConfig: string): TlsLookup {
  return tlsFiles({
    directories: [CERTS, join(dockerConfig, 'tls')],
    ...(flags.ca === undefined ? {} : { caFile: flags.ca }),
  });
}

/** Reads an image argument; tag `latest` where it names neither tag nor digest. Throws USAGE for what is no image. */
export function parseImage(text: string): Reference {
  const parsed = parseReference(text);
  if (parsed.ok) return withDefaultTag(parsed.value);
  throw new CountersignError('USAGE', `${parsed.refusal.message}; write an image as HOST/NAME:TAG`);
}
