import { join } from 'node:path';
import { startPostgres } from '../../test/support/postgres.ts';
import type { Publisher } from '../../test/support/trust-publisher.ts';
import { makePublisher } from '../../test/support/trust-publisher.ts';
import type { TrustServer } from '../../test/support/trust-server.ts';
import { startTrustServer } from '../../test/support/trust-server.ts';

/** The host of the repositories that are published. */
const REGISTRY = 'registry.example.com';
/** What a comparison with notary-server needs besides ours. */
export const NOTARY_CLIENTS = ['notary-server', 'notary-signer', 'postgres'] as const;

/** Ours and the original with notary-signer and a PostgreSQL that keeps its fsyncs, both with TLS by a P-256 certificate. */
export interface NotaryPeers {
  readonly ours: TrustServer;
  readonly theirs: TrustServer;
  stop(): Promise<void>;
}

/** Starts both. */
export async function openNotaryPeers(folder: string): Promise<NotaryPeers> {
  const postgres = await startPostgres({ durable: true });
  // Both log failures only.
  const options = { registry: REGISTRY, postgres, logLevel: 'error' };
  const ours = await startTrustServer(join(folder, 'ours'), 'countersign', options);
  const theirs = await startTrustServer(join(folder, 'theirs'), 'notary-server', options);
  return {
    ours,
    theirs,
    stop: async () => {
      await ours.stop();
      await theirs.stop();
      await postgres.stop();
    },
  };
}

/** Begins a repository with no tags. Throws where the server refuses. */
export async function beginRepository({ http }: TrustServer, name: string): Promise<Publisher> {
  const publisher = await makePublisher(http, `${REGISTRY}/bench/${name}`);
  const answer = await http.publish(publisher.gun, await publisher.first());
  if (answer.status !== 200) throw new Error(`first publish: ${answer.status} ${answer.code}`);
  return publisher;
}
