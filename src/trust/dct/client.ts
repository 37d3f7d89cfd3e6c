import { CountersignError } from '../../lib/errors.ts';
import { LIMITS } from '../../lib/limits.ts';
import type { Repository } from '../../oci/reference.ts';
import { refusalOf } from '../../oci/refusal.ts';
import type { TufKey } from '../../tuf/public-key.ts';
import type { UploadPart } from '../../tuf/update-parts.ts';
import { multipartOf } from './multipart.ts';
import { isConflict, parseNotaryError, updateRefused } from './notary-error.ts';
import type { TrustServerAddress } from './server-address.ts';
import type { ServerRole } from './server-key.ts';
import { askServerKey } from './server-key.ts';
import type { TrustServerOptions } from './trust-calls.ts';
import { openTrustCalls, scope, trustPath } from './trust-calls.ts';

/** How a publish ended: all of it is stored, or somebody else was faster and nothing is. */
export type Published = 'stored' | 'conflict';

/**
 * A Notary v1 server (dct-protocol 1). What it says is not believed by anything here. All methods throw
 * CountersignError: UPSTREAM_UNAVAILABLE (no answer), UPSTREAM_INVALID, UNAUTHENTICATED, FORBIDDEN.
 */
export interface TrustServer {
  /** As messages name it. */
  readonly host: string;
  readonly address: TrustServerAddress;
  /**
   * One file: `root` is `root.json`, `snapshot.<sha256>`, `3.root`; `null` for a 404, and where there is
   * no such service at all. Throws UPSTREAM_INVALID for more bytes than `maxBytes`.
   */
  file(repository: Repository, name: string, maxBytes?: number): Promise<Uint8Array | null>;
  /** The server's key of a role, made if need be. Throws NO_TRUST_SERVICE where the server has no such service. */
  key(repository: Repository, role: ServerRole): Promise<TufKey>;
  /** A key of the server's to change to; it counts once a root lists it. */
  rotateKey(repository: Repository, role: ServerRole): Promise<TufKey>;
  /** Stores files, all or none. Throws TRUST_UPDATE_REFUSED with the server's reason. */
  publish(repository: Repository, parts: readonly UploadPart[]): Promise<Published>;
  /** Deletes the repository's trust data; it may be gone already. */
  remove(repository: Repository): Promise<void>;
  /**
   * Some lines of the changefeed behind the one with the id `after`, as the server writes them, of one
   * repository or (`null`) of all; `null` where there is no such feed.
   */
  changes(repository: Repository | null, after: number): Promise<Uint8Array | null>;
  close(): Promise<void>;
}

const ERROR_BYTES = 64 * 1024;
/** Lines of one answer of the changefeed, each below 1 KiB. */
const CHANGES = 1000;

/** Opens a trust server; nothing is sent before the first call. Whoever opens it closes it. */
export function openTrustServer(options: TrustServerOptions): TrustServer {
  const calls = openTrustCalls(options);
  const { host } = calls;
  return {
    host,
    address: options.address,
    file: async (repository, name, maxBytes = LIMITS.trustMetadataBytes) =>
      calls.ask(
        { method: 'GET', target: trustPath(repository, `${name}.json`) },
        scope(repository, 'pull'),
        async (answer) => {
          if (answer.status === 200) return answer.read(maxBytes);
          if (answer.status !== 404 && answer.status !== 405) {
            throw await refusalOf(answer, `the trust data of ${repository}`);
          }
          await answer.drain();
          return null;
        },
      ),
    key: async (repository, role) => askServerKey(calls, repository, role, 'GET'),
    rotateKey: async (repository, role) => askServerKey(calls, repository, role, 'POST'),
    publish: async (repository, parts) => {
      const { contentType, bytes } = multipartOf(parts);
      return calls.ask(
        {
          method: 'POST',
          target: trustPath(repository, ''),
          headers: { 'content-type': contentType },
          body: bytes,
        },
        scope(repository, 'push,pull'),
        async (answer) => {
          if (answer.status === 200) {
            await answer.drain();
            return 'stored';
          }
          if (answer.status !== 400 && answer.status !== 500) {
            throw await calls.refused(answer, repository, 'publishing trust data');
          }
          const error = parseNotaryError(await answer.read(ERROR_BYTES));
          if (isConflict(error)) return 'conflict';
          if (answer.status === 400) throw updateRefused(host, error);
          throw new CountersignError(
            'UPSTREAM_UNAVAILABLE',
            `${host} could not store the trust data (500): ${error.message}`,
          );
        },
      );
    },
    remove: async (repository) =>
      calls.ask(
        { method: 'DELETE', target: trustPath(repository, '') },
        scope(repository, '*'),
        async (answer) => {
          if (answer.status !== 200)
            throw await calls.refused(answer, repository, 'deleting trust data');
          await answer.drain();
        },
      ),
    changes: async (repository, after) =>
      calls.ask(
        {
          method: 'GET',
          target: `/v2/${repository === null ? '' : `${repository}/`}_trust/changefeed?records=${CHANGES}&change_id=${after}`,
        },
        repository === null ? ['registry:catalog:*'] : scope(repository, 'pull'),
        async (answer) => {
          if (answer.status === 200) return answer.read(CHANGES * 1024);
          if (answer.status !== 404) throw await refusalOf(answer, 'the changefeed');
          await answer.drain();
          return null;
        },
      ),
    close: () => calls.close(),
  };
}
