import { LIMITS } from '../lib/limits.ts';
import type { Result } from '../lib/result.ts';
import type { YamlMapping, YamlNode } from '../lib/yaml-node.ts';
import { readYaml } from '../lib/yaml.ts';

/** One setting as somebody wrote it, with where: a file's line, a variable or a flag. */
export interface Written {
  readonly text: string;
  /** `countersign.yaml:3`, `COUNTERSIGN_LISTEN` or `--listen`. */
  readonly at: string;
  /** The folder that a relative path is meant from. */
  readonly base: string;
}

/** A registry as written. */
export interface WrittenRegistry {
  readonly at: string;
  readonly host?: Written | undefined;
  readonly aliases?: readonly Written[] | undefined;
  readonly upstream?: Written | undefined;
  readonly ca?: Written | undefined;
  readonly username?: Written | undefined;
  readonly passwordFile?: Written | undefined;
  readonly realm?: Written | undefined;
  readonly storage?: readonly Written[] | undefined;
}

/** An entry of `access` as written. */
export interface WrittenAccess {
  readonly at: string;
  readonly repositories: readonly Written[];
  readonly pull: readonly Written[];
  readonly push: readonly Written[];
  readonly delete: readonly Written[];
  readonly admin: readonly Written[];
}

/** All settings as written; what nobody wrote is absent. */
export interface WrittenConfig {
  readonly listen?: Written | undefined;
  readonly tls?: Written | { readonly cert: Written; readonly key: Written } | undefined;
  readonly data?: Written | undefined;
  readonly store?: Written | undefined;
  readonly policies?: Written | undefined;
  readonly registries?: readonly WrittenRegistry[] | undefined;
  readonly htpasswd?: Written | undefined;
  readonly access?: readonly WrittenAccess[] | undefined;
  readonly masterKeyFile?: Written | undefined;
  readonly keyType?: Written | undefined;
}

const KEYS = [
  'listen',
  'tls',
  'data',
  'store',
  'policies',
  'registries',
  'identities',
  'access',
  'notary',
] as const;
const REGISTRY_KEYS = [
  'host',
  'aliases',
  'upstream',
  'ca',
  'credentials',
  'realm',
  'storage',
] as const;
const ACCESS_KEYS = ['repositories', 'pull', 'push', 'delete', 'admin'] as const;

/** Reads `countersign.yaml` into what is written there; meaning is checked later, together with variables and flags. `base` is the folder that its relative paths are meant from. */
export function readWritten(bytes: Uint8Array, file: string, base: string): Result<WrittenConfig> {
  const document = readYaml(bytes, file, {
    code: 'CONFIG_INVALID',
    maxBytes: LIMITS.configFileBytes,
  });
  if (!document.ok) return document;
  const read = new Reader(base);
  return document.value.finish(read.config(document.value.root));
}

/** Reads the list that `COUNTERSIGN_ACCESS` holds, in the file's own form. */
export function readWrittenAccess(
  text: string,
  variable: string,
  base: string,
): Result<readonly WrittenAccess[]> {
  const document = readYaml(Buffer.from(text), variable, {
    code: 'CONFIG_INVALID',
    maxBytes: LIMITS.configFileBytes,
  });
  if (!document.ok) return document;
  return document.value.finish(new Reader(base).access(document.value.root));
}

class Reader {
  readonly #base: string;

  constructor(base: string) {
    this.#base = base;
  }

  config(root: YamlNode): WrittenConfig {
    // A file with nothing but comments configures nothing.
    if (root.kind === 'nothing') return {};
    const map = root.mapping(KEYS);
    if (map === undefined) return {};
    const identities = map.get('identities')?.mapping(['htpasswd']);
    const notary = map.get('notary')?.mapping(['masterKeyFile', 'keyType']);
    return {
      listen: this.#text(map.get('listen')),
      tls: this.#tls(map.get('tls')),
      data: this.#text(map.get('data')),
      store: this.#text(map.get('store')),
      policies: this.#text(map.get('policies')),
      registries: this.#registries(map.get('registries')),
      htpasswd: this.#text(identities?.need('htpasswd')),
      access: map.get('access') === undefined ? undefined : this.access(map.get('access')),
      masterKeyFile: this.#text(notary?.get('masterKeyFile')),
      keyType: this.#text(notary?.get('keyType')),
    };
  }

  access(node: YamlNode | undefined): readonly WrittenAccess[] {
    return (node?.list() ?? []).flatMap((entry) => {
      const map = entry.mapping(ACCESS_KEYS);
      if (map === undefined) return [];
      const names = (key: (typeof ACCESS_KEYS)[number]): readonly Written[] =>
        this.#texts(map.get(key)) ?? [];
      map.need('repositories');
      return {
        at: entry.source,
        repositories: names('repositories'),
        pull: names('pull'),
        push: names('push'),
        delete: names('delete'),
        admin: names('admin'),
      };
    });
  }

  #text(node: YamlNode | undefined): Written | undefined {
    const text = node?.text();
    return text === undefined || node === undefined
      ? undefined
      : { text, at: node.source, base: this.#base };
  }

  #texts(node: YamlNode | undefined): readonly Written[] | undefined {
    return node?.list()?.flatMap((item) => this.#text(item) ?? []);
  }

  #tls(node: YamlNode | undefined): WrittenConfig['tls'] {
    if (node?.kind !== 'mapping') return this.#text(node);
    const map = node.mapping(['cert', 'key']);
    const cert = this.#text(map?.need('cert'));
    const key = this.#text(map?.need('key'));
    return cert === undefined || key === undefined ? undefined : { cert, key };
  }

  #registries(node: YamlNode | undefined): readonly WrittenRegistry[] | undefined {
    const list = node?.list();
    if (list?.length === 0) node?.fail('expected at least one registry, found none');
    return list?.flatMap((entry) => {
      const map = entry.mapping(REGISTRY_KEYS);
      return map === undefined ? [] : this.#registry(entry.source, map);
    });
  }

  #registry(at: string, map: YamlMapping<(typeof REGISTRY_KEYS)[number]>): WrittenRegistry {
    const credentials = map.get('credentials')?.mapping(['username', 'passwordFile']);
    return {
      at,
      host: this.#text(map.get('host')),
      aliases: this.#texts(map.get('aliases')),
      upstream: this.#text(map.get('upstream')),
      ca: this.#text(map.get('ca')),
      username: this.#text(credentials?.need('username')),
      passwordFile: this.#text(credentials?.need('passwordFile')),
      realm: this.#text(map.get('realm')),
      storage: this.#texts(map.get('storage')),
    };
  }
}
