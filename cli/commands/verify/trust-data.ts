import { CountersignError } from '../../../src/lib/errors.ts';
import type { Repository } from '../../../src/oci/reference.ts';
import { splitRepository } from '../../../src/oci/reference.ts';
import { loadTrust } from '../../../src/trust/dct/load.ts';
import type { TrustData } from '../../../src/trust/dct/trust-data.ts';
import type { Context } from '../../commands.ts';
import { openClients } from '../../clients.ts';
import type { TrustFlags } from '../../trust-server.ts';
import { openTrust } from '../../trust-server.ts';

/** Reads a repository's Notary v1 trust data; throws where it cannot tell. */
export type ReadTrustData = (repository: Repository) => Promise<TrustData | null>;

/** For commands that ask no trust server: what only trust data could say stays open. */
export const noTrustServer = async (): Promise<never> => {
  throw new CountersignError('CANNOT_VERIFY', 'no trust server was asked');
};

/** Trust data as this person sees them. */
export interface TrustReading {
  readonly read: ReadTrustData;
  close(): Promise<void>;
}

/**
 * Reads trust data from docker's trust server, by the root that this person's docker has pinned or pins
 * now; each repository once. Only what is signed now is known so: what was signed once, and when, is on
 * the record of the Countersign that serves it.
 */
export function openTrustReading(context: Context, flags: TrustFlags): TrustReading {
  const sessions = openClients((host) => {
    const session = openTrust(host, flags, context.env, (line) => context.output().note(line));
    return { session, close: () => session.server.close() };
  });
  const readings = new Map<Repository, Promise<TrustData | null>>();
  const load = async (repository: Repository): Promise<TrustData | null> => {
    const { session } = sessions.of(splitRepository(repository).host);
    const loaded = await loadTrust(session, repository);
    if (loaded.kind === 'none' && !loaded.pinned) return null;
    if (loaded.kind === 'none') {
      const message = `the trust server has no trust data of ${repository} any more`;
      return trustData({ ok: false, refusal: { code: 'TRUST_DATA_ROLLBACK', message } });
    }
    return trustData(
      loaded.kind === 'refused'
        ? { ok: false, refusal: loaded.refusal }
        : { ok: true, value: loaded.repository },
    );
  };
  return {
    read: (repository) => {
      const reading = readings.get(repository) ?? load(repository);
      readings.set(repository, reading);
      return reading;
    },
    close: () => sessions.close(),
  };
}

function trustData(current: TrustData['current']): TrustData {
  return {
    current,
    entriesOf: async () => [],
    publishedAt: async () => null,
    formerKeys: async () => null,
  };
}
