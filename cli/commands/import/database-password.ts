import { homedir, userInfo } from 'node:os';
import { join } from 'node:path';
import { readBoundedFile } from '../../../src/lib/file.ts';
import { LIMITS } from '../../../src/lib/limits.ts';
import { unwrap } from '../../../src/lib/result.ts';
import type { Output } from '../../output.ts';
import type { DatabaseLogin } from './password-file.ts';
import { passwordOf } from './password-file.ts';

/** Where a database's password may be. */
export interface PasswordSources {
  /** The option that names the database: the one for a file is named after it. */
  readonly option: string;
  /** A file whose first line is the password. */
  readonly file: string | undefined;
  readonly env: NodeJS.ProcessEnv;
  readonly output: Output;
}

/**
 * The address of a database with its password, for no eyes but the driver's: from the file that was
 * given, else the address itself (with a warning: every user of the machine can read it), else
 * PGPASSWORD, else the line of PGPASSFILE or `~/.pgpass` that fits. As it was where there is none, and
 * where it is no address of PostgreSQL, which is refused by whoever opens it. Throws USAGE for a file
 * that cannot be read.
 */
export async function withPassword(address: string, sources: PasswordSources): Promise<string> {
  const { option, file, env, output } = sources;
  const url = URL.canParse(address) ? new URL(address) : null;
  if (url === null || !/^postgres(?:ql)?:$/.test(url.protocol)) return address;
  if (url.password !== '' || url.searchParams.has('password')) {
    output.warn(
      `whoever lists this machine's processes can read the password in ${option}; leave it out, and give ${option}-password-file, PGPASSWORD or a line of ~/.pgpass`,
    );
    if (file === undefined) return address;
  }
  const password =
    file === undefined ? await fromSurroundings(url, env, output) : await firstLine(file);
  if (password === null || password === '') return address;
  url.searchParams.delete('password');
  url.password = encodeURIComponent(password);
  // An address of a socket alone (`postgres:///db?host=/run/postgresql`) has no host that a password could stand before.
  if (url.hostname === '') url.searchParams.set('password', password);
  return url.href;
}

async function firstLine(file: string): Promise<string> {
  const { bytes } = unwrap(await readBoundedFile(file, LIMITS.keyFileBytes, 'USAGE'));
  return bytes.toString().split(/\r?\n/, 1)[0] ?? '';
}

async function fromSurroundings(
  url: URL,
  env: NodeJS.ProcessEnv,
  output: Output,
): Promise<string | null> {
  const given = env['PGPASSWORD'] ?? '';
  if (given !== '') return given;
  const path = env['PGPASSFILE'] ?? join(env['HOME'] ?? homedir(), '.pgpass');
  const file = await readBoundedFile(path, LIMITS.policyFileBytes, 'USAGE');
  // Most have none; a login that needs one fails, and says so.
  if (!file.ok) return null;
  if (process.platform !== 'win32' && (file.value.mode & 0o077) !== 0) {
    output.warn(`${path} is passed over, as others may read it; chmod 600 it`);
    return null;
  }
  return passwordOf(file.value.bytes.toString(), loginOf(url, env));
}

/** As the driver completes it. */
function loginOf(url: URL, env: NodeJS.ProcessEnv): DatabaseLogin {
  const query = (name: string): string | null => url.searchParams.get(name);
  const user = query('user') ?? decodeURIComponent(url.username);
  const database = query('dbname') ?? decodeURIComponent(url.pathname.slice(1));
  const login = user || env['PGUSER'] || userInfo().username;
  return {
    host: query('host') ?? (url.hostname || env['PGHOST'] || 'localhost'),
    port: query('port') ?? (url.port || env['PGPORT'] || '5432'),
    database: database || env['PGDATABASE'] || login,
    user: login,
  };
}
