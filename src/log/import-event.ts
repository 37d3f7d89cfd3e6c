import type { Repository } from '../oci/reference.ts';
import type { NewEvent } from '../store/store.ts';
import { cut, event } from './event.ts';

/** What an import took over of one repository. */
export interface ImportedTrust {
  readonly repository: Repository;
  /** Where it came from; without passwords. */
  readonly source: string;
  /** The newest version of the root, and the id that Notary gives its first key. */
  readonly root: { readonly version: number; readonly keyId: string };
  readonly timestamp: number;
  /** Ids of the server's keys that came along. */
  readonly keys: readonly string[];
  readonly files: number;
}

/** `trust-imported`: a repository's trust data, or more of them, were taken over from another Notary server. */
export function trustImported(what: ImportedTrust, actor: string): NewEvent {
  const { repository, root, timestamp, keys, files } = what;
  const data = { source: cut(what.source), root: { ...root }, timestamp, keys, files };
  return event('sig', 'trust-imported', { repository }, actor, data, [repository, data]);
}
