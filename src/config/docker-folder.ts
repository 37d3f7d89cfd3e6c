import { homedir } from 'node:os';
import { join } from 'node:path';

/** Docker's configuration folder: `$DOCKER_CONFIG`, else `.docker` in the home folder, as docker finds it. */
export function dockerConfigFolder(env: Readonly<Record<string, string | undefined>>): string {
  const named = env['DOCKER_CONFIG'] ?? '';
  return named === '' ? join(env['HOME'] ?? homedir(), '.docker') : named;
}
