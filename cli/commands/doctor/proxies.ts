import { join } from 'node:path';
import { decodeUtf8 } from '../../../src/lib/bytes.ts';
import { readBoundedFile } from '../../../src/lib/file.ts';
import { LIMITS } from '../../../src/lib/limits.ts';
import type { Check, Examined } from './check.ts';
import { check } from './check.ts';
import { namesIn } from './file.ts';

/** Files that set the environment of everybody; a service's own lie in its folder of drop-ins. */
const FILES = ['etc/environment', 'etc/default/docker', 'etc/sysconfig/docker'];
const SERVICES = ['docker', 'containerd', 'crio'];
const ASSIGNMENT = /^(?![ \t]*[#;]).*\b((?:https?|all)_proxy)=["']?[^\s"']/im;
const VARIABLES = ['https_proxy', 'http_proxy', 'all_proxy'];

const FOUND = 'engines ask through a proxy, which may reach what this host cannot';
const MEND = 'run doctor where the proxy runs, too, and let it refuse the registries';

/**
 * Proxies: what cannot be connected to from here can be pulled through one. Where the files are those
 * of this host, the environment of whoever runs doctor counts too, as podman and skopeo take it.
 */
export async function examineProxies(
  { root }: Pick<Examined, 'root'>,
  env: NodeJS.ProcessEnv,
): Promise<readonly Check[]> {
  const out: Check[] = [];
  if (root === '/') {
    const named = Object.keys(env).find(
      (name) => VARIABLES.includes(name.toLowerCase()) && (env[name] ?? '') !== '',
    );
    if (named !== undefined) out.push(check('unknown', `environment: ${named}`, FOUND, MEND));
  }
  for (const path of await filesBelow(root)) {
    const file = await readBoundedFile(path, LIMITS.configFileBytes, 'CONFIG_INVALID');
    const text = file.ok ? decodeUtf8(file.value.bytes) : undefined;
    const name = ASSIGNMENT.exec(text ?? '')?.[1];
    if (name !== undefined) out.push(check('unknown', path, `${name}: ${FOUND}`, MEND));
  }
  return out;
}

async function filesBelow(root: string): Promise<readonly string[]> {
  const files = FILES.map((name) => join(root, name));
  for (const service of SERVICES) {
    for (const systemd of ['etc/systemd/system', 'usr/lib/systemd/system']) {
      const folder = join(root, systemd, `${service}.service.d`);
      for (const name of await namesIn(folder)) {
        if (name.endsWith('.conf')) files.push(join(folder, name));
      }
    }
  }
  return files;
}
