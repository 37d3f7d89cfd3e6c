import type { Repository } from '../../oci/reference.ts';
import type { TufKey } from '../../tuf/public-key.ts';
import { canonicalKeyId } from '../../tuf/public-key.ts';
import { fileSigner } from '../../keys/signers/file.ts';
import { CountersignError } from '../../lib/errors.ts';
import type { Signer } from '../../keys/key.ts';
import type { SigningRole } from '../../tuf/threshold.ts';
import { changeTrust } from './change.ts';
import type { ServerRole } from './server-key.ts';
import type { LoadedTrust } from './load.ts';
import { certify, makeKey } from './repository-keys.ts';
import type { TrustSession } from './session.ts';
import { noTrustData } from './signers.ts';

/** A root key that was put in force. */
export interface RotatedRoot {
  /** Notary's canonical id, which names its file in the key store. */
  readonly keyId: string;
  /** When the new certificate ends. */
  readonly expires: Date | null;
}

/**
 * Gives a repository another root key, or with `keep` its present one in a new certificate. The new root
 * is signed by the old key and the new, so that whoever has pinned the old one follows; without the old
 * key nobody can. The key is on disk before the server hears of it; of the old
 * one the person is told that it is still there. Throws NO_SIGNING_KEY, and USAGE for a root that takes
 * several keys together.
 */
export async function rotateRoot(
  session: TrustSession,
  gun: Repository,
  { keep }: { readonly keep: boolean },
): Promise<RotatedRoot> {
  const before = new Set<string>();
  let next: { readonly key: TufKey; readonly signer: unknown } | undefined;
  await changeTrust(session, gun, {
    begin: () => Promise.reject(noTrustData(session, gun)),
    edit: async (loaded, keys) => {
      const { roles } = loaded.repository.root;
      if (roles.root.threshold > 1) throw quorum(gun, roles.root);
      // Before a new key is made: whether the old one is here at all, and opens.
      await keys.signersOf(roles.root);
      for (const key of roles.root.keys.values()) {
        if (await keys.holds(key)) before.add(canonicalKeyId(key));
      }
      next ??= await certify(gun, await nextSigner(session, loaded, keep), session.clock());
      const root = roleOf('root', next.key);
      return { roles: [], root: { roles: { ...roles, root }, alsoBy: [roles.root] } };
    },
  });
  const key = next?.key;
  if (key === undefined) throw noTrustData(session, gun);
  const stays = [...before.keys()].filter((id) => id !== canonicalKeyId(key));
  if (stays.length > 0) {
    session.note(
      `of ${gun} the old root key ${stays.map((id) => id.slice(0, 12)).join(', ')} signs nothing any more, but it stays in ${session.keys.folder}, and docker and countersign may begin a new repository with it: remove it when no repository has it any more, at once where it was stolen`,
    );
  }
  return { keyId: canonicalKeyId(key), expires: key.certificates[0]?.notAfter ?? null };
}

/** One new key in the place of several would let each of their holders do alone what took some of them together. */
function quorum(gun: Repository, { threshold, keys }: SigningRole): CountersignError {
  return new CountersignError(
    'USAGE',
    `the root of ${gun} takes ${threshold} of ${keys.size} keys together, and this would leave one key that signs alone; nothing was changed`,
  );
}

async function nextSigner(
  session: TrustSession,
  { repository, gun }: LoadedTrust,
  keep: boolean,
): Promise<Signer> {
  if (!keep) return (await makeKey(session, { role: 'root', gun: null })).signer;
  for (const key of repository.root.roles.root.keys.values()) {
    const stored = await session.keys.byId(canonicalKeyId(key));
    if (stored !== null) return fileSigner(await session.keys.open(stored, session.open));
  }
  throw new CountersignError(
    'NO_SIGNING_KEY',
    `no root key of ${gun} is in ${session.keys.folder}`,
  );
}

/**
 * Has the server make other keys for roles, and lists them all in one new root: a server that took the
 * repository over from another, without its keys, has to get both at once, as it signs with both. Of a
 * snapshot whose key a client held it makes the server's. With `expiredTimestamp` the present timestamp
 * may have ended, as of a server that is gone: who asks for it takes what that one listed for the newest;
 * nothing older than this machine has seen is taken. Returns the ids of the new keys by role.
 */
export async function rotateServerKeys(
  session: TrustSession,
  gun: Repository,
  roles: readonly ServerRole[],
  { expiredTimestamp = false }: { readonly expiredTimestamp?: boolean } = {},
): Promise<ReadonlyMap<ServerRole, string>> {
  const made = new Map<ServerRole, TufKey>();
  await changeTrust(session, gun, {
    expiredTimestamp,
    begin: () => Promise.reject(noTrustData(session, gun)),
    edit: async ({ repository }, keys) => {
      const before = repository.root.roles;
      await keys.signersOf(before.root);
      for (const role of roles) {
        if (!made.has(role)) made.set(role, await session.server.rotateKey(gun, role));
      }
      const changed = Object.fromEntries([...made].map(([role, key]) => [role, roleOf(role, key)]));
      return { roles: [], root: { roles: { ...before, ...changed }, alsoBy: [] } };
    },
  });
  return new Map([...made].map(([role, key]) => [role, key.id]));
}

function roleOf(name: string, key: TufKey): SigningRole {
  return { name, keys: new Map([[key.id, key]]), threshold: 1 };
}
