import { access, mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { CountersignError, messageOf } from '../../lib/errors.ts';
import { readBoundedFile, replaceFile } from '../../lib/file.ts';
import { LIMITS } from '../../lib/limits.ts';
import type { Repository } from '../../oci/reference.ts';
import { isRoleName } from '../../tuf/role-name.ts';

/**
 * What this person has seen of a repository: docker's own cache below `$DOCKER_CONFIG/trust/tuf`, which
 * the two tools share (dct-protocol 5.3). Its root is the pin: what comes later must be signed by it.
 */
export interface TrustCache {
  /** Where a repository's files are, for messages. */
  folder(repository: Repository): string;
  /** The file of a role; `null` where there is none. Throws STORE_UNAVAILABLE where it cannot be read: a pin that is skipped is none. */
  read(repository: Repository, role: string): Promise<Uint8Array | null>;
  /** Keeps files that were verified, each whole or not at all. Throws STORE_UNAVAILABLE. */
  write(repository: Repository, files: ReadonlyMap<string, Uint8Array>): Promise<void>;
}

/** The trust cache below docker's configuration folder. */
export function trustCache(dockerConfig: string): TrustCache {
  // A repository's name has no empty, dotted or absolute part, nor has a role's: the path stays below.
  const folder = (repository: Repository): string =>
    join(dockerConfig, 'trust', 'tuf', repository, 'metadata');
  const pathOf = (repository: Repository, role: string): string => {
    if (!isRoleName(role)) throw new RangeError(`expected a role, found ${role}`);
    return join(folder(repository), `${role}.json`);
  };
  return {
    folder,
    async read(repository, role) {
      const path = pathOf(repository, role);
      const content = await readBoundedFile(path, LIMITS.trustMetadataBytes, 'STORE_UNAVAILABLE');
      if (content.ok) return content.value.bytes;
      if (await isAbsent(path)) return null;
      throw new CountersignError(content.refusal.code, content.refusal.message);
    },
    async write(repository, files) {
      for (const [role, bytes] of files) {
        const path = pathOf(repository, role);
        try {
          await mkdir(dirname(path), { recursive: true, mode: 0o700 });
          await replaceFile(path, Buffer.from(bytes).toString('utf8'), 0o600);
        } catch (error) {
          throw new CountersignError(
            'STORE_UNAVAILABLE',
            `could not write ${path}: ${messageOf(error)}`,
            { cause: error },
          );
        }
      }
    },
  };
}

async function isAbsent(path: string): Promise<boolean> {
  try {
    await access(path);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT';
  }
}
