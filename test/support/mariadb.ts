import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort, startChild, waitFor } from './child.ts';
import { clientPath } from './clients.ts';
import { mustRun, run } from './run.ts';

/** A MariaDB server of a suite's own, on loopback, with an account `notary` without password. */
export interface Mariadb {
  readonly port: number;
  sql(database: string, statements: string): Promise<string>;
  /** What mysqldump writes of a database. */
  dump(database: string, ...options: readonly string[]): Promise<string>;
  stop(): Promise<void>;
}

/** Starts one. */
export async function startMariadb(): Promise<Mariadb> {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-mariadb-'));
  const data = join(folder, 'data');
  const socket = join(folder, 'socket');
  const user = process.getuid?.() === 0 ? ['--user=root'] : [];
  await mustRun(clientPath('mariadb-install-db'), [
    '--no-defaults',
    `--datadir=${data}`,
    '--auth-root-authentication-method=normal',
    '--skip-test-db',
    ...user,
  ]);
  const port = await freePort();
  const child = startChild(clientPath('mariadbd'), [
    '--no-defaults',
    `--datadir=${data}`,
    `--socket=${socket}`,
    `--pid-file=${join(folder, 'pid')}`,
    `--port=${port}`,
    '--bind-address=127.0.0.1',
    '--innodb-flush-log-at-trx-commit=0',
    ...user,
  ]);
  const as = ['--no-defaults', `--socket=${socket}`, '--user=root'];
  await waitFor(child, 'mariadbd', async () => {
    const asked = await run(clientPath('mariadb'), [...as, '-e', 'select 1']);
    return asked.code === 0 ? true : undefined;
  });
  const sql: Mariadb['sql'] = async (database, input) => {
    const ran = await mustRun(clientPath('mariadb'), [...as, '--skip-column-names', database], {
      input,
    });
    return ran.stdout;
  };
  await sql('mysql', "CREATE USER 'notary'@'127.0.0.1'; GRANT ALL ON *.* TO 'notary'@'127.0.0.1';");
  return {
    port,
    sql,
    dump: async (database, ...options) => {
      const file = join(folder, 'dump.sql');
      const args = [...as, ...options, `--result-file=${file}`, database];
      await mustRun(clientPath('mariadb-dump'), args);
      return readFileSync(file, 'latin1');
    },
    stop: async () => {
      await child.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
