import { CountersignError } from '../../../src/lib/errors.ts';
import { unwrap } from '../../../src/lib/result.ts';
import { dockerConfigFolder } from '../../../src/config/docker-folder.ts';
import { openDumps } from '../../../src/import/dump-source.ts';
import { openHttp } from '../../../src/import/http-source.ts';
import { openPostgres } from '../../../src/import/postgres-source.ts';
import type { NotarySource } from '../../../src/import/source.ts';
import { dockerCredentials } from '../../../src/oci/credentials.ts';
import { parseHost } from '../../../src/oci/reference.ts';
import { openTrustServer } from '../../../src/trust/dct/client.ts';
import { trustServerAddress } from '../../../src/trust/dct/server-address.ts';
import type { Output } from '../../output.ts';
import type { RegistryFlags } from '../../registry.ts';
import { trustServerTls } from '../../trust-server.ts';
import { withPassword } from './database-password.ts';
import { tellSpoolRoom } from './room.ts';

/** Where a command is told that the trust data are. */
export interface SourceFlags extends RegistryFlags {
  readonly serverDb?: string;
  readonly serverDbPasswordFile?: string;
  readonly signerDb?: string;
  readonly signerDbPasswordFile?: string;
  readonly dump?: readonly string[];
  readonly from?: string;
}

/** Opens the one source that is named. Throws USAGE where there is none or several, else as the source does. */
export async function openSource(
  flags: SourceFlags,
  given: {
    readonly repositories: readonly string[];
    /** A registry of the service, whose login may read the other server's changefeed. */
    readonly host: string;
    readonly env: NodeJS.ProcessEnv;
    readonly output: Output;
  },
): Promise<NotarySource> {
  const { serverDb, signerDb, dump = [], from } = flags;
  const named = [serverDb !== undefined, dump.length > 0, from !== undefined];
  if (named.filter(Boolean).length !== 1 || (signerDb !== undefined && serverDb === undefined)) {
    throw new CountersignError(
      'USAGE',
      'expected one source: --server-db with --signer-db, --dump (once for each file), or --from',
    );
  }
  if (serverDb !== undefined) {
    if (signerDb === undefined) given.output.warn(WITHOUT_KEYS);
    return openDatabases(serverDb, flags, given);
  }
  if (from !== undefined) return openServer(from, flags, given);
  await tellSpoolRoom(given.output, dump);
  const source = await openDumps(dump, given.repositories, (rows) =>
    given.output.note(`read ${rows} rows`),
  );
  if (!source.hasKeys) given.output.warn(WITHOUT_KEYS);
  return source;
}

async function openDatabases(
  serverDb: string,
  { signerDb, ...flags }: SourceFlags,
  { repositories, env, output }: Parameters<typeof openSource>[1],
): Promise<NotarySource> {
  const server = await withPassword(serverDb, {
    option: '--server-db',
    file: flags.serverDbPasswordFile,
    env,
    output,
  });
  if (signerDb === undefined) return openPostgres(server, null, repositories);
  const signer = await withPassword(signerDb, {
    option: '--signer-db',
    file: flags.signerDbPasswordFile,
    env,
    output,
  });
  return openPostgres(server, signer, repositories);
}

const WITHOUT_KEYS =
  "without the signer's database no keys come along: owners will have to change to new ones";

function openServer(
  from: string,
  flags: SourceFlags,
  { repositories, host, env }: Parameters<typeof openSource>[1],
): Promise<NotarySource> {
  const config = dockerConfigFolder(env);
  const where = '--from; without TLS anybody on the way could be that server, on loopback too';
  const open = (registryHost: string): ReturnType<typeof openTrustServer> =>
    openTrustServer({
      registryHost,
      address: unwrap(trustServerAddress(registryHost, from, where)),
      credentials: dockerCredentials(config),
      tls: trustServerTls(registryHost, flags, config),
      allowedRealms: (flags.authHost ?? []).map((one) => unwrap(parseHost(one))),
    });
  return openHttp(open, { name: from, any: host, repositories });
}
