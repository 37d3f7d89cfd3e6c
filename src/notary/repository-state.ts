import type { Repository } from '../oci/reference.ts';
import type { Store } from '../store/store.ts';
import type { StoredTrustFile } from '../store/trust-data.ts';
import { parseEnvelope } from '../tuf/envelope.ts';
import type { Listing, ListingRole } from '../tuf/listing.ts';
import { parseListing } from '../tuf/listing.ts';
import { Remembered } from './remembered.ts';

/** The newest file of each role of a repository, all of one commit; empty where it has none. */
export interface RepositoryState {
  readonly files: ReadonlyMap<string, StoredTrustFile>;
}

const ENTRIES = 10_000;
const BYTES = 128 * 1024 * 1024;
/** What an entry takes besides its files. */
const OVERHEAD = 1024;

/** Makes the memory of repositories' states. */
export function rememberStates(): Remembered<RepositoryState> {
  return new Remembered({ entries: ENTRIES, bytes: BYTES, sizeOf: (state) => sizeOf(state) });
}

/** Bytes of all files of a state. */
export function sizeOf({ files }: RepositoryState): number {
  let bytes = OVERHEAD;
  for (const file of files.values()) bytes += OVERHEAD + file.bytes.byteLength;
  return bytes;
}

const listings = new WeakMap<StoredTrustFile, Listing | null>();

/** What a stored snapshot or timestamp says, read once; `null` where it cannot be read. Its signatures are not checked. */
export function listingOf(file: StoredTrustFile, role: ListingRole): Listing | null {
  const known = listings.get(file);
  if (known !== undefined) return known;
  const envelope = parseEnvelope(file.bytes);
  const listing = envelope.ok ? parseListing(envelope.value, role) : envelope;
  const read = listing.ok ? listing.value : null;
  listings.set(file, read);
  return read;
}

/**
 * The file that is current: from the timestamp to the snapshot, and from it to every other role by
 * hash (dct-protocol 2.6), so that whatever is served together fits together. `null` where there is none.
 */
export async function currentFile(
  store: Store,
  repository: Repository,
  { files }: RepositoryState,
  role: string,
): Promise<StoredTrustFile | null> {
  const timestamp = files.get('timestamp') ?? null;
  if (timestamp === null || role === 'timestamp') return timestamp;
  const find = async (name: string, above: Listing | null): Promise<StoredTrustFile | null> => {
    const sha256 = above?.meta.get(name)?.sha256;
    if (sha256 === undefined) return null;
    const newest = files.get(name);
    return newest?.sha256 === sha256 ? newest : store.trustFile(repository, name, { sha256 });
  };
  const snapshot = await find('snapshot', listingOf(timestamp, 'timestamp'));
  if (snapshot === null || role === 'snapshot') return snapshot;
  return find(role, listingOf(snapshot, 'snapshot'));
}
