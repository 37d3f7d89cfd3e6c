import { CountersignError, messageOf } from '../lib/errors.ts';
import { LIMITS } from '../lib/limits.ts';
import { unwrap } from '../lib/result.ts';
import type { Repository } from '../oci/reference.ts';
import { parseRepository, splitRepository } from '../oci/reference.ts';
import type { TrustServer } from '../trust/dct/client.ts';
import { parseEnvelope } from '../tuf/envelope.ts';
import type { FileMeta } from '../tuf/file-meta.ts';
import type { ListingRole } from '../tuf/listing.ts';
import { parseListing } from '../tuf/listing.ts';
import { isVersion } from '../tuf/signed-fields.ts';
import { readChanges } from './changefeed-page.ts';
import type { NotarySource, SourceChange, SourceFile, SourceRepository } from './source.ts';

/** Opens a client for the repositories of a registry host: the login there is the one that counts. */
export type OpenServer = (registryHost: string) => TrustServer;

/** What is fetched of one repository, in bytes. */
const MOST_BYTES = 256 * 1024 * 1024;

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

  guns(): Promise<readonly string[]> {
    return Promise.resolve(this.#guns);
  }

  async repository(gun: string): Promise<SourceRepository> {
    const named = parseRepository(gun);
    if (!named.ok) return { files: [], problem: named.refusal.message };
    const server = this.#serverOf(splitRepository(named.value).host);
    const fetched = new Fetched(server, named.value);
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

  async changes(gun: string): Promise<readonly SourceChange[]> {
    const repository = unwrap(parseRepository(gun));
    const server = this.#serverOf(splitRepository(repository).host);
    const changes: SourceChange[] = [];
    for await (const change of changesOf(server, repository)) changes.push(change);
    return changes;
  }

  close(): Promise<void> {
    return this.#close();
  }
}

/** What the server has of a repository does not hang together; nothing is said of other repositories. */
class Incomplete extends Error {}

/** The files of one repository as they come. Nothing is believed yet: they are checked when all are there. */
class Fetched {
  readonly files: SourceFile[] = [];
  readonly #server: TrustServer;
  readonly #repository: Repository;
  #bytes = 0;

  constructor(server: TrustServer, repository: Repository) {
    this.#server = server;
    this.#repository = repository;
  }

  /** The newest state from the timestamp down, then what came before as far as it is there. */
  async all(): Promise<void> {
    const timestamp = await this.#must('timestamp', 'timestamp', LIMITS.timestampBytes);
    const named = this.#listed(timestamp, 'timestamp').get('snapshot');
    if (named === undefined) throw new Incomplete('expected a snapshot in the timestamp');
    const snapshot = await this.#must('snapshot', `snapshot.${named.sha256}`, named.length);
    const listed = this.#listed(snapshot, 'snapshot');
    for (const [role, meta] of listed) {
      const name = `${role}.${meta.sha256}`;
      // A delegation that was removed may still be listed, with nothing behind it.
      if (role === 'root' || role === 'targets') await this.#must(role, name, meta.length);
      else await this.#take(role, name, meta.length);
    }
    const newest = this.files.slice();
    for (const { role, version } of newest) {
      if (role !== 'timestamp' && role !== 'snapshot') await this.#history(role, version);
    }
  }

  async #history(role: string, newest: number): Promise<void> {
    for (let version = newest - 1; version >= 1; version -= 1) {
      const there = await this.#take(role, `${version}.${role}`, LIMITS.trustMetadataBytes);
      // A first publish may begin at 2, and other servers may keep no history.
      if (!there) return;
    }
  }

  async #must(role: string, name: string, most: number): Promise<SourceFile> {
    if (!(await this.#take(role, name, most))) {
      throw new Incomplete(`${this.#server.host} has no ${name}.json of ${this.#repository}`);
    }
    return this.files.at(-1) as SourceFile;
  }

  async #take(role: string, name: string, most: number): Promise<boolean> {
    const bytes = await this.#server.file(
      this.#repository,
      name,
      Math.min(most, LIMITS.trustMetadataBytes),
    );
    if (bytes === null) return false;
    this.#bytes += bytes.length;
    if (this.#bytes > MOST_BYTES) {
      throw new Incomplete(`expected at most ${MOST_BYTES} bytes of ${this.#repository}`);
    }
    const envelope = parseEnvelope(bytes);
    const version = envelope.ok ? envelope.value.signed['version'] : undefined;
    if (!isVersion(version)) throw new Incomplete(`${name}.json: expected metadata with a version`);
    this.files.push({ role, version, bytes, sha256: null });
    return true;
  }

  #listed({ bytes }: SourceFile, role: ListingRole): ReadonlyMap<string, FileMeta> {
    const envelope = parseEnvelope(bytes);
    const listing = envelope.ok ? parseListing(envelope.value, role) : envelope;
    if (!listing.ok) throw new Incomplete(listing.refusal.message);
    if (listing.value.meta.size > LIMITS.trustKeys) {
      throw new Incomplete(`expected at most ${LIMITS.trustKeys} files in the ${role}`);
    }
    return listing.value.meta;
  }
}
