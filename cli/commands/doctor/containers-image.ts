import { join } from 'node:path';
import type { JsonObject } from '../../../src/lib/json.ts';
import { isArray, isObject } from '../../../src/lib/json.ts';
import type { Check, Examined } from './check.ts';
import { check, hostIn, leadsAround } from './check.ts';
import { readNames, readConfigured, textIn } from './file.ts';

/** One `[[registry]]` of a registries.conf, with the file that has the last word on it. */
interface Entry {
  readonly path: string;
  readonly prefix: string;
  readonly location: string;
  readonly blocked: boolean;
  readonly mirrors: readonly string[];
}

/**
 * podman, buildah, skopeo, CRI-O (containers-registries.conf(5)): mirrors of a registry are tried
 * first and the registry itself last, whatever a mirror said. Only `location` sends all of a prefix
 * to the gate, and `blocked` closes it.
 */
export async function examineContainersImage(examined: Examined): Promise<readonly Check[]> {
  const { root, home } = examined;
  const system = join(root, 'etc/containers');
  const user = join(root, home, '.config/containers');
  const out: Check[] = [];
  for (const folder of [system, user]) {
    const entries = new Map<string, Entry>();
    const dropIns = await readNames(join(folder, 'registries.conf.d'));
    if ('failed' in dropIns) out.push(dropIns.failed);
    const files = [
      join(folder, 'registries.conf'),
      ...('names' in dropIns ? dropIns.names : [])
        .filter((name) => name.endsWith('.conf'))
        .map((name) => join(folder, 'registries.conf.d', name)),
    ];
    let read = 0;
    for (const path of files) {
      const file = await readConfigured(path);
      if ('failed' in file) out.push(file.failed);
      else if (file.content !== null) {
        read++;
        // A later file replaces what an earlier one says of the same prefix.
        for (const entry of entriesOf(path, file.content)) entries.set(entry.prefix, entry);
      }
    }
    if (read > 0) out.push(...judge(folder, [...entries.values()], examined));
  }
  return out;
}

function entriesOf(path: string, content: JsonObject): readonly Entry[] {
  const list = content['registry'];
  if (!isArray(list)) return [];
  return list.filter(isObject).flatMap((one): readonly Entry[] => {
    const prefix = textIn(one['prefix']) ?? textIn(one['location']);
    if (prefix === undefined) return [];
    const mirrors = isArray(one['mirror']) ? one['mirror'].filter(isObject) : [];
    return [
      {
        path,
        prefix,
        location: textIn(one['location']) ?? prefix,
        blocked: one['blocked'] === true,
        mirrors: mirrors.flatMap((mirror) => textIn(mirror['location']) ?? []),
      },
    ];
  });
}

function judge(
  folder: string,
  entries: readonly Entry[],
  { gate, registries }: Examined,
): readonly Check[] {
  return registries.flatMap((registry): readonly Check[] => {
    const own = entries.filter(
      (entry) => covers(entry.prefix, registry) || within(entry, registry),
    );
    const mend = `in a [[registry]] with prefix = "${registry}": location = "${gate}" and no mirror, or blocked = true`;
    const out = own
      .filter((entry) => !entry.blocked)
      .map((entry) => {
        const around = [entry.location, ...entry.mirrors].filter((to) => hostIn(to) !== gate);
        return around.length === 0
          ? check('closed', entry.path, `${entry.prefix} leads to the gate only`)
          : leadsAround(
              entry.path,
              `${entry.prefix} leads to ${around.join(', ')}`,
              mend,
              around.map(hostIn),
            );
      });
    const whole = own.some((entry) => covers(entry.prefix, registry));
    if (!whole) {
      const path = join(folder, 'registries.conf');
      out.push(leadsAround(path, `nothing sends ${registry} to the gate`, mend, [registry]));
    } else if (out.length === 0) {
      out.push(check('closed', folder, `${registry} is blocked`));
    }
    return out;
  });
}

/** True where a prefix (`docker.io`, `*.example.com`) takes in all of a registry. */
function covers(prefix: string, registry: string): boolean {
  if (prefix.startsWith('*.')) return registry.endsWith(prefix.slice(1));
  return prefix === registry;
}

/** True where an entry is about a part of a registry. */
const within = (entry: Entry, registry: string): boolean => entry.prefix.startsWith(`${registry}/`);
