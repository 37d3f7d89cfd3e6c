import { join } from 'node:path';
import type { JsonObject } from '../../../src/lib/json.ts';
import { isArray, isObject } from '../../../src/lib/json.ts';
import type { Check, Examined } from './check.ts';
import { check, hostIn, leadsAround } from './check.ts';
import { readConfigured } from './file.ts';

/**
 * Docker's daemon: `registry-mirrors` hold for docker.io only, and after any error of a mirror, a
 * refusal included, the daemon asks docker.io itself. There is no setting that stops it.
 */
export async function examineDocker({ root, home, gate }: Examined): Promise<readonly Check[]> {
  const out: Check[] = [];
  for (const path of [
    join(root, 'etc/docker/daemon.json'),
    join(root, home, '.config/docker/daemon.json'),
  ]) {
    const file = await readConfigured(path);
    if ('failed' in file) out.push(file.failed);
    else if (file.content !== null) out.push(...judge(path, file.content, gate));
  }
  return out;
}

function judge(path: string, daemon: JsonObject, gate: string): readonly Check[] {
  const mirrors = isArray(daemon['registry-mirrors']) ? daemon['registry-mirrors'] : [];
  const hosts = mirrors.filter((one) => typeof one === 'string').map(hostIn);
  const way =
    hosts.length === 0
      ? check('closed', path, 'no registry-mirrors: docker asks the registry that is named')
      : leadsAround(
          path,
          'registry-mirrors: docker asks docker.io itself for what a mirror refuses',
          `remove registry-mirrors and pull by the gate's name (${gate}/library/alpine)`,
          ['docker.io', ...hosts.filter((host) => host !== gate)],
        );
  if (!isObject(daemon['proxies'])) return [way];
  return [
    way,
    check(
      'unknown',
      path,
      'proxies: the daemon asks through a proxy, which may reach what this host cannot',
      'run doctor where the proxy runs, too, and let it refuse the registries',
    ),
  ];
}
