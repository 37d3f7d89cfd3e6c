import { CountersignError, messageOf } from '../lib/errors.ts';
import { LIMITS } from '../lib/limits.ts';
import { unwrap } from '../lib/result.ts';
import type { Repository } from '../oci/reference.ts';
import { parseRepository, splitRepository } from '../oci/reference.ts';
import type { TrustServer } from '../trust/dct/client.ts';
import { readChanges } from './changefeed-page.ts';
import { FetchedFiles, Incomplete } from './fetch-files.ts';
import { tooManyRepositories } from './import-bounds.ts';
import type { NotarySource, SourceChange, SourceRepository } from './source.ts';

/** Opens a client for the repositories of a registry host: the login there is the one that counts. */
export type OpenServer = (registryHost: string) => TrustServer;

/**
 * Reads a running Notary v1 server: the public files of some repositories, or of all that its
 * changefeed lists where it may be read. `any` is a registry host whose login may read that feed. It
 * hands out no keys. Throws UPSTREAM_UNAVAILABLE and its kin where the server cannot be asked.
 */
export async function openHttp(
  open: OpenServer,
  given: { readonly name: string; readonly any: string; readonly repositories: readonly string[] },
): Promise<NotarySource> {
  const servers = new Map<string, TrustServer>();
  const serverOf = (host: string): TrustServer => {
    const known = servers.get(host) ?? open(host);
    servers.set(host, known);
    return known;
  };
  const source = new HttpSource(given.name, given.repositories, serverOf, async () => {
    for (const server of servers.values()) await server.close();
  });
  if (given.repositories.length > 0) return source;
  try {
    const guns = await gunsOf(serverOf(given.any));
    return new HttpSource(given.name, guns, serverOf, () => source.close());
  } catch (error) {
    await source.close();
    throw error;
  }
}

/** Every repository of the server that still has something. */
async function gunsOf(server: TrustServer): Promise<readonly string[]> {
  const guns = new Set<string>();
  for await (const { gun, category } of changesOf(server, null)) {
    if (category === 'deletion') guns.delete(gun);
    else guns.add(gun);
    if (guns.size > LIMITS.importRepositories) throw tooManyRepositories();
  }
  return [...guns].toSorted();
}

async function* changesOf(
  server: TrustServer,
  repository: Repository | null,
): AsyncGenerator<SourceChange, void, undefined> {
  let rows = 0;
  for (let after = 0; ;) {
    const page = await server.changes(repository, after);
    if (page === null && repository !== null) return;
    if (page === null) {
      throw new CountersignError(
        'UPSTREAM_INVALID',
        `${server.host} lists no repositories (it has no changefeed); name them`,
      );
    }
    const changes = unwrap(readChanges(page, after));
    rows += changes.length;
    if (rows > LIMITS.importRows) {
      throw new CountersignError(
        'UPSTREAM_INVALID',
        `expected at most ${LIMITS.importRows} changes`,
      );
    }
    yield* changes;
    const last = changes.at(-1);
    if (last === undefined) return;
    after = last.id;
  }
}

class HttpSource implements NotarySource {
  readonly name: string;
  readonly hasKeys = false;
  readonly #guns: readonly string[];
  readonly #serverOf: (host: string) => TrustServer;
  readonly #close: () => Promise<void>;

  constructor(
    name: string,
    guns: readonly string[],
    serverOf: (host: string) => TrustServer,
    close: () => Promise<void>,
  ) {
    this.name = name;
    this.#guns = guns;
    this.#serverOf = serverOf;
    this.#close = close;
  }

  bytes(): Promise<null> {
    return Promise.resolve(null);
  }

  guns(): Promise<readonly string[]> {
    return Promise.resolve(this.#guns);
  }

  async repository(gun: string): Promise<SourceRepository> {
    const named = parseRepository(gun);
    if (!named.ok) return { files: [], problem: named.refusal.message };
    const server = this.#serverOf(splitRepository(named.value).host);
    const fetched = new FetchedFiles(server, named.value);
    try {
      await fetched.all();
      return { files: fetched.files, problem: null };
    } catch (error) {
      if (!(error instanceof Incomplete)) throw error;
      return { files: [], problem: messageOf(error) };
    }
  }

  keys(): Promise<readonly []> {
    return Promise.resolve([]);
  }

  changes(gun: string): AsyncIterable<SourceChange> {
    const repository = unwrap(parseRepository(gun));
    return changesOf(this.#serverOf(splitRepository(repository).host), repository);
  }

  close(): Promise<void> {
    return this.#close();
  }
}
