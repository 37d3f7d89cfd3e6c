import { codeOf } from '../../lib/errors.ts';
import { buildRoot, buildSnapshot, buildTargets } from '../../tuf/build-files.ts';
import type { TufSigner } from '../../tuf/build.ts';
import type { FileMeta } from '../../tuf/file-meta.ts';
import { fileMetaOf } from '../../tuf/file-meta.ts';
import type { Signer } from '../../keys/key.ts';
import { lifetime } from '../../tuf/lifetime.ts';
import type { BaseRole } from '../../tuf/role-name.ts';
import { byDepth } from '../../tuf/role-name.ts';
import type { Root } from '../../tuf/root.ts';
import type { SigningRole } from '../../tuf/threshold.ts';
import type { UploadPart } from '../../tuf/update-parts.ts';
import type { Published } from './client.ts';
import type { EditableRole } from './editable.ts';
import { RESIGN_MS } from './expiry.ts';
import type { HeldKeys } from './held-keys.ts';
import type { LoadedTrust } from './load.ts';
import type { TrustSession } from './session.ts';

/** A new root: who signs what from now on, and who signs the root itself besides its own new keys. */
export interface NewRoot {
  readonly roles: Readonly<Record<BaseRole, SigningRole>>;
  readonly alsoBy: readonly SigningRole[];
}

/** What is to change in a repository. */
export interface TrustEdit {
  /** Roles with their new content; their version is the one that they have now. */
  readonly roles: readonly Omit<EditableRole, 'believed' | 'expires'>[];
  readonly root?: NewRoot;
  /** Signs where its key may; without it the store's keys do. */
  readonly signer?: Signer | null;
}

/**
 * Signs what changes and publishes it, all or nothing: the roles, a root that changes or whose
 * metadata ends within half a year (as docker does), and the snapshot where this machine holds its key.
 * Throws NO_SIGNING_KEY, what opening keys throws, and what the server refuses.
 */
export async function submit(
  session: TrustSession,
  keys: HeldKeys,
  loaded: LoadedTrust,
  edit: TrustEdit,
): Promise<Published> {
  const { repository: trusted } = loaded;
  const now = session.clock();
  const parts: UploadPart[] = [];
  const root = edit.root ?? (await dueRoot(session, keys, trusted.root, now));
  if (root !== null) {
    const signers = new Map<string, TufSigner>();
    for (const role of [root.roles.root, ...root.alsoBy]) {
      for (const signer of await keys.signersOf(role)) signers.set(signer.keyid, signer);
    }
    const version = trusted.root.version + 1;
    const bytes = await buildRoot(root.roles, {
      version,
      expires: lifetime('root', now),
      signers: [...signers.values()],
    });
    parts.push({ role: 'root', bytes });
  }
  for (const role of edit.roles.toSorted((a, b) => byDepth(a.name, b.name))) {
    const signers = await keys.signersOf(role.signing, edit.signer ?? null);
    const expires = lifetime(role.name, now, loaded.gun);
    const bytes = await buildTargets(role, { version: role.version + 1, expires, signers });
    parts.push({ role: role.name, bytes });
  }
  const { snapshot } = root?.roles ?? trusted.root.roles;
  const held = await Promise.all([...snapshot.keys.values()].map(async (key) => keys.holds(key)));
  if (held.includes(true)) {
    const meta = new Map<string, FileMeta>(trusted.snapshot.meta);
    for (const { role, bytes } of parts) meta.set(role, fileMetaOf(bytes));
    const bytes = await buildSnapshot(meta, {
      version: trusted.snapshot.version + 1,
      expires: lifetime('snapshot', now),
      signers: await keys.signersOf(snapshot),
    });
    parts.push({ role: 'snapshot', bytes });
  }
  return session.server.publish(loaded.gun, parts);
}

/** The present root once more, where its metadata ends soon and its key is here; nobody is kept from signing for want of it. */
async function dueRoot(
  session: TrustSession,
  keys: HeldKeys,
  root: Root,
  now: Date,
): Promise<NewRoot | null> {
  if (root.expires.getTime() - now.getTime() > RESIGN_MS) return null;
  try {
    await keys.signersOf(root.roles.root);
    return { roles: root.roles, alsoBy: [] };
  } catch (error) {
    const code = codeOf(error);
    if (code !== 'NO_SIGNING_KEY' && code !== 'PASSPHRASE_MISSING') throw error;
    session.note(
      `the root ends at ${root.expires.toISOString()} and was not signed again: its key could not be opened here`,
    );
    return null;
  }
}
