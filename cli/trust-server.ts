import { dockerConfigFolder } from '../src/config/docker-folder.ts';
import { isRepositoryRole } from '../src/keys/key-name.ts';
import { keyStore } from '../src/keys/key-store.ts';
import type { PassphraseSource } from '../src/keys/passphrase.ts';
import { unwrap } from '../src/lib/result.ts';
import { systemClock } from '../src/lib/time.ts';
import { dockerCredentials } from '../src/oci/credentials.ts';
import { parseHost } from '../src/oci/reference.ts';
import type { TlsLookup } from '../src/oci/tls.ts';
import { isLoopbackHost } from '../src/oci/tls.ts';
import { openTrustServer } from '../src/trust/dct/client.ts';
import { trustServerAddress } from '../src/trust/dct/server-address.ts';
import type { TrustSession } from '../src/trust/dct/session.ts';
import { trustCache } from '../src/trust/dct/trust-cache.ts';
import type { PassphraseOptions } from './passphrase.ts';
import { passphrases } from './passphrase.ts';
import type { RegistryFlags } from './registry.ts';
import { registryTls } from './registry.ts';

/** What a command says about the trust data that it reads or changes. */
export interface TrustFlags extends RegistryFlags {
  /** `--passphrase-file`: of the key that signs, and of others that no variable of docker's opens. */
  readonly passphraseFile?: string;
}

/** Where a command's trust session tells a person something. */
type Note = (line: string) => void;

/**
 * Opens the trust data of a registry's images as this person sees them: docker's server, login,
 * certificates, cache and key store. Nothing is read or sent before the first use; whoever opens it closes
 * its server. Throws CONFIG_INVALID for a server that is no https URL.
 */
export function openTrust(
  registryHost: string,
  flags: TrustFlags,
  env: NodeJS.ProcessEnv,
  note: Note,
  signal?: AbortSignal,
): TrustSession {
  const config = dockerConfigFolder(env);
  const address = unwrap(trustServerAddress(registryHost, env['DOCKER_CONTENT_TRUST_SERVER']));
  const ask = (kind: 'open' | 'fresh'): PassphraseSource => repositoryPassphrases(kind, env, flags);
  return {
    server: openTrustServer({
      registryHost,
      address,
      credentials: dockerCredentials(config),
      tls: trustServerTls(registryHost, flags, config),
      allowedRealms: (flags.authHost ?? []).map((host) => unwrap(parseHost(host))),
      signal,
    }),
    cache: trustCache(config),
    keys: keyStore(config),
    clock: systemClock,
    open: ask('open'),
    fresh: ask('fresh'),
    note,
  };
}

/**
 * The TLS files for the trust server of a registry's images. Docker passes over a loopback server's
 * certificate only where the registry itself is on a loopback host: for another's images anybody on this
 * machine who listens there could be the server whose root is believed on first use.
 */
export function trustServerTls(
  registryHost: string,
  flags: RegistryFlags,
  dockerConfig: string,
): TlsLookup {
  const lookUp = registryTls(flags, dockerConfig);
  if (isLoopbackHost(registryHost)) return lookUp;
  return async (host) => ({ ...(await lookUp(host)), explicit: true });
}

/**
 * The passphrases of a repository's keys. Docker's variables come first for its root and targets keys:
 * `--passphrase-file` opens the key that signs, which is another one. What opened one key is never
 * tried on the next, nor put on a new one.
 */
function repositoryPassphrases(
  kind: 'open' | 'fresh',
  env: NodeJS.ProcessEnv,
  { passphraseFile: file }: TrustFlags,
): PassphraseSource {
  return async (request) => {
    const { role } = request;
    const variable =
      role === 'root'
        ? 'DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE'
        : 'DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE';
    const named = isRepositoryRole(role) && (env[variable] ?? '') !== '';
    const options: PassphraseOptions = named ? { env } : { env, file };
    return passphrases(options)[kind](request);
  };
}
