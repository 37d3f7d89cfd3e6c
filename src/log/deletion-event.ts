import type { JsonObject } from '../lib/json.ts';
import type { Digest } from '../oci/digest.ts';
import type { Repository } from '../oci/reference.ts';
import type { NewEvent } from '../store/store.ts';
import { event } from './event.ts';

/** What a caller asked to have deleted: a manifest by tag or digest, or a blob. */
export interface Deleted {
  readonly repository: Repository;
  readonly kind: 'manifest' | 'blob';
  readonly tag: string | null;
  readonly digest: Digest | null;
}

/**
 * `deletion`: a deletion that rights and policy allow was passed on to the registry; recorded before,
 * so that none goes unseen. Whether the registry then had anything to delete is its own matter.
 * `nonce` as for {@link decided}.
 */
export function deletionPassed(what: Deleted, actor: string, nonce: string): NewEvent {
  const { repository, tag, digest, kind } = what;
  const data: JsonObject = { kind };
  return event('dec', 'deletion', { repository, tag, digest }, actor, data, [nonce]);
}
