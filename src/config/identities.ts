import type { AccessRule } from '../gate/access/access.ts';
import { ANONYMOUS, ANY_IDENTITY } from '../gate/access/access.ts';
import { parsePattern } from '../policy/pattern.ts';
import type { RegistryConfig } from './config.ts';
import type { Problems } from './problems.ts';
import type { Written, WrittenAccess } from './written.ts';

/** Checks the entries of `access` and compiles their patterns; what is wrong is collected. */
export function readAccess(
  written: readonly WrittenAccess[],
  registries: readonly RegistryConfig[],
  problems: Problems,
): readonly AccessRule[] {
  const hosts = {
    registryHost: registries[0]?.host ?? '',
    aliases: new Map(registries.flatMap((r) => r.aliases.map((alias) => [alias, r.host] as const))),
  };
  const known = new Set(registries.map((registry) => registry.host));
  return written.map((entry) => {
    if (entry.repositories.length === 0) {
      problems.add(entry.at, 'expected at least one pattern in repositories, found none');
    }
    const repositories = entry.repositories.flatMap(({ text, at }) => {
      const pattern = parsePattern(text, hosts);
      if (!pattern.ok) return problems.add(at, pattern.refusal.message) ?? [];
      const host = pattern.value.segments[0] ?? '';
      if (host !== '**' && !known.has(host)) {
        problems.warn(`${at}: no registry has the host ${host}, so this pattern gives nothing`);
      }
      return [pattern.value];
    });
    return {
      repositories,
      pull: names(entry.pull, problems),
      push: names(entry.push, problems),
      delete: names(entry.delete, problems),
      admin: names(entry.admin, problems, 'admin'),
    };
  });
}

function names(
  list: readonly Written[],
  problems: Problems,
  right: 'admin' | 'other' = 'other',
): readonly string[] {
  return list.flatMap(({ text, at }) => {
    if (text === ANY_IDENTITY) return text;
    if (text === ANONYMOUS) {
      if (right === 'other') return text;
      return problems.add(at, 'expected an identity: anonymous cannot administer') ?? [];
    }
    if (text.includes('*')) {
      return problems.add(at, `expected a name or "*" alone, found ${JSON.stringify(text)}`) ?? [];
    }
    return text;
  });
}
