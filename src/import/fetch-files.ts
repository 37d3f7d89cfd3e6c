import { LIMITS } from '../lib/limits.ts';
import type { Repository } from '../oci/reference.ts';
import type { TrustServer } from '../trust/dct/client.ts';
import { parseEnvelope } from '../tuf/envelope.ts';
import type { FileMeta } from '../tuf/file-meta.ts';
import type { ListingRole } from '../tuf/listing.ts';
import { parseListing } from '../tuf/listing.ts';
import { isVersion } from '../tuf/signed-fields.ts';
import { RepositorySize } from './import-bounds.ts';
import type { SourceFile } from './source.ts';

/** What the server has of a repository does not hang together; nothing is said of other repositories. */
export class Incomplete extends Error {}

/** The files of one repository as they come. Nothing is believed yet: they are checked when all are there. */
export class FetchedFiles {
  readonly files: SourceFile[] = [];
  readonly #server: TrustServer;
  readonly #repository: Repository;
  readonly #size = new RepositorySize();

  /** Nothing is asked yet. */
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
      if (role !== 'timestamp') await this.#history(role, version);
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
    const tooLarge = this.#size.add(bytes.length);
    if (tooLarge !== null) throw new Incomplete(tooLarge);
    const envelope = parseEnvelope(bytes);
    const version = envelope.ok ? envelope.value.signed['version'] : undefined;
    if (!isVersion(version)) throw new Incomplete(`${name}.json: expected metadata with a version`);
    this.files.push({ role, version, bytes, sha256: null, createdAt: null });
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
