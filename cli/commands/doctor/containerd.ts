import { join } from 'node:path';
import type { JsonObject } from '../../../src/lib/json.ts';
import { isObject } from '../../../src/lib/json.ts';
import type { Check, Examined } from './check.ts';
import { check, hostIn, leadsAround } from './check.ts';
import { readConfigured, readNames, textIn } from './file.ts';

const DEFAULT_HOSTS = 'etc/containerd/certs.d';

/**
 * containerd: `hosts.toml` of a registry lists hosts that are tried in turn and ends with `server`
 * (the registry itself where none is named); after 401, 403, 404 and 5xx the next one is tried. So
 * every one of them has to be the gate. The older `registry.mirrors` always end with the registry.
 */
export async function examineContainerd(examined: Examined): Promise<readonly Check[]> {
  const path = join(examined.root, 'etc/containerd/config.toml');
  const file = await readConfigured(path);
  if ('failed' in file) return [file.failed];
  const folders = new Set<string>();
  const out: Check[] = [];
  const standard = join(examined.root, DEFAULT_HOSTS);
  const hosts = await readNames(standard);
  if ('failed' in hosts) out.push(hosts.failed);
  else if (hosts.names.length > 0) folders.add(standard);
  for (const registry of registrySettings(file.content ?? {})) {
    const folder = textIn(registry['config_path']);
    // Several folders may be named, separated as in PATH.
    for (const one of (folder ?? '').split(':').filter(Boolean)) {
      folders.add(join(examined.root, one));
    }
    if (isObject(registry['mirrors']) && Object.keys(registry['mirrors']).length > 0) {
      out.push(
        leadsAround(
          path,
          'registry.mirrors: containerd asks the registry itself for what a mirror refuses',
          `use config_path and a hosts.toml whose server and one host are https://${examined.gate}`,
          Object.keys(registry['mirrors']).flatMap((name) =>
            name === '*' ? examined.registries : [name],
          ),
        ),
      );
    }
  }
  for (const folder of folders) {
    for (const host of examined.registries)
      out.push(...(await examineHost(folder, host, examined)));
  }
  return out;
}

/** The CRI plugin's `registry` tables, under whichever name this version of containerd has for it. */
function registrySettings(content: JsonObject): readonly JsonObject[] {
  const plugins = content['plugins'];
  if (!isObject(plugins)) return [];
  return Object.values(plugins).flatMap((plugin) => {
    const registry = isObject(plugin) ? plugin['registry'] : undefined;
    return isObject(registry) ? [registry] : [];
  });
}

async function examineHost(
  folder: string,
  registry: string,
  { gate }: Examined,
): Promise<readonly Check[]> {
  for (const name of [registry, '_default']) {
    const path = join(folder, name, 'hosts.toml');
    const file = await readConfigured(path);
    if ('failed' in file) return [file.failed];
    if (file.content === null) continue;
    const hosts = isObject(file.content['host']) ? Object.keys(file.content['host']) : [];
    const server = textIn(file.content['server']);
    // containerd 1.6 takes no notice of a server with no host beside it, and asks the registry.
    const last = hosts.length === 0 ? [server ?? registry, registry] : [server ?? registry];
    const around = [...new Set([...hosts, ...last].map(hostIn))].filter((host) => host !== gate);
    return [
      around.length === 0
        ? check('closed', path, `${registry} leads to the gate only`)
        : leadsAround(
            path,
            `${registry} leads to ${around.join(', ')}`,
            `set server = "https://${gate}", with [host."https://${gate}"] and no other`,
            around,
          ),
    ];
  }
  return [
    leadsAround(
      join(folder, registry, 'hosts.toml'),
      `there is none: containerd asks ${registry} itself`,
      `write one with server = "https://${gate}" and [host."https://${gate}"], or block the way to ${registry}`,
      [registry],
    ),
  ];
}
