import { CountersignError, messageOf } from '../../src/lib/errors.ts';
import type { Reference } from '../../src/oci/reference.ts';
import type { LoadedTrust } from '../../src/trust/dct/load.ts';
import { loadTrust } from '../../src/trust/dct/load.ts';
import type { TrustSession } from '../../src/trust/dct/session.ts';
import { openTrust } from '../trust-server.ts';
import { TrustFailure } from './failure.ts';
import type { Session } from './session.ts';

/** Opens an image's trust data with docker's passphrases, runs `work`, and closes the server's connections. */
export async function withTrust<T>(
  session: Session,
  { host }: Pick<Reference, 'host'>,
  work: (trust: TrustSession) => Promise<T>,
): Promise<T> {
  const { talk, passphrases, dockerConfig } = session;
  const env = { ...talk.env, DOCKER_CONFIG: dockerConfig };
  // Docker says nothing here; a person at a terminal should know of a new root key all the same.
  const note = (line: string): void => {
    if (process.stderr.isTTY) talk.err(`${line}\n`);
  };
  const { open, fresh } = passphrases;
  const trust = { ...openTrust(host, {}, env, note), open, fresh };
  try {
    return await work(trust);
  } finally {
    await trust.server.close();
  }
}

/** A repository's trust data, or `null` where it has none. Throws docker's message where it cannot be had or believed. */
export async function readTrust(
  trust: TrustSession,
  { repository }: Pick<Reference, 'repository'>,
): Promise<LoadedTrust | null> {
  try {
    const loaded = await loadTrust(trust, repository);
    if (loaded.kind === 'trusted') return loaded;
    if (loaded.kind === 'none') return null;
    throw new CountersignError(loaded.refusal.code, loaded.refusal.message);
  } catch (error) {
    throw new TrustFailure(notaryMessage(error, repository));
  }
}

/** What docker says of trust data that it cannot use (dct-protocol 5.6). */
export function notaryMessage(error: unknown, repository: string): string {
  const message = messageOf(error);
  if (!(error instanceof CountersignError)) return message;
  const remote = `for remote repository ${repository}`;
  switch (error.code) {
    case 'TRUST_DATA_EXPIRED':
      return `Error: remote repository ${repository} out-of-date: ${message}`;
    case 'TRUST_DATA_ROLLBACK':
      return `Warning: potential malicious behavior - trust data version is lower than expected ${remote}: ${message}`;
    case 'TRUST_DATA_INVALID':
      return message.includes('did not meet threshold')
        ? `Warning: potential malicious behavior - trust data has insufficient signatures ${remote}: ${message}`
        : message;
    case 'UPSTREAM_UNAVAILABLE':
      return `Error: error contacting notary server: ${message}`;
    default:
      return message;
  }
}

/** The refusal's words alone, as docker puts them behind its own. */
export function noTrustDataAt({ server }: TrustSession, repository: string): string {
  return `${server.host} does not have trust data for ${repository}`;
}

/** What docker says where signing or publishing fails. */
export function signingMessage(
  { repository }: Pick<Reference, 'repository'>,
  error: unknown,
): string {
  const message = messageOf(error);
  if (!(error instanceof CountersignError)) return message;
  switch (error.code) {
    case 'NO_SIGNING_KEY':
      return message.startsWith('no valid signing keys')
        ? 'no valid signing keys for delegation roles'
        : message.replace(/^(could not find necessary signing keys) for \S+,/, '$1,');
    case 'TRUST_UPDATE_REFUSED':
      return message.replace(/^\S+ refused the trust data: /, '');
    default:
      return notaryMessage(error, repository);
  }
}
