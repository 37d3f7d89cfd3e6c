import { chownSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort, startChild, waitFor } from './child.ts';
import { clientPath } from './clients.ts';
import { mustRun, run } from './run.ts';

/** A PostgreSQL server of a suite's own, on loopback. */
export interface Postgres {
  /** `postgres://postgres@127.0.0.1:PORT/NAME`. */
  url(database: string): string;
  /** Runs SQL in a database; the databases of a new server are `postgres` and what a suite creates. */
  sql(database: string, statements: string): Promise<string>;
  /** What pg_dump writes of a database. */
  dump(database: string, ...options: readonly string[]): Promise<string>;
  stop(): Promise<void>;
}

// Nobody: PostgreSQL refuses to run as root.
const NOBODY = 65534;

/** Starts one; `durable` keeps its fsyncs, which benches need and tests do not. */
export async function startPostgres(
  options: { readonly durable?: boolean } = {},
): Promise<Postgres> {
  const asRoot = process.getuid?.() === 0;
  // Not below the suite's own folder: that one is closed to nobody.
  const folder = mkdtempSync(join(tmpdir(), 'countersign-postgres-'));
  const data = join(folder, 'data');
  mkdirSync(data, { mode: 0o700 });
  if (asRoot) for (const path of [folder, data]) chownSync(path, NOBODY, NOBODY);
  const as = (program: readonly [string, ...string[]]): readonly [string, ...string[]] =>
    asRoot
      ? ['setpriv', `--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups', '--', ...program]
      : program;
  const settings = '--username postgres --auth trust --no-sync --encoding UTF8 --locale C';
  const [make, ...making] = as([clientPath('initdb'), '--pgdata', data, ...settings.split(' ')]);
  await mustRun(make, making, { cwd: folder });
  const port = await freePort();
  const [command, ...args] = as([
    clientPath('postgres'),
    ...`-h 127.0.0.1 -p ${port}`.split(' '),
    '-D',
    data,
    '-k',
    folder,
    ...(options.durable === true ? [] : ['-c', 'fsync=off', '-c', 'full_page_writes=off']),
  ]);
  const child = startChild(command, args, { cwd: folder });
  const url = (database: string): string => `postgres://postgres@127.0.0.1:${port}/${database}`;
  const psql = ['--no-psqlrc', '--quiet', '--tuples-only', '--no-align', '-v', 'ON_ERROR_STOP=1'];
  await waitFor(child, 'postgres', async () => {
    const asked = await run(clientPath('psql'), [...psql, '-c', 'select 1', url('postgres')]);
    return asked.code === 0 ? true : undefined;
  });
  return {
    url,
    sql: async (database, statements) => {
      const ran = await mustRun(clientPath('psql'), [...psql, url(database)], {
        input: statements,
      });
      return ran.stdout;
    },
    dump: async (database, ...asked) => {
      const ran = await mustRun(clientPath('pg_dump'), [...asked, url(database)]);
      return ran.stdout;
    },
    stop: async () => {
      // SIGINT ends it at once; SIGTERM would wait for everybody who is still connected.
      await child.interrupt();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
