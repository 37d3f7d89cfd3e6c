import type { Json } from '../lib/json.ts';
import type { NewFile, TufSigner } from './build.ts';
import { commonFields, fileMetaJson, keysJson, mapJson, roleJson, signMetadata } from './build.ts';
import type { FileMeta } from './file-meta.ts';
import { fileMetaOf } from './file-meta.ts';
import type { TufKey } from './public-key.ts';
import type { BaseRole } from './role-name.ts';
import { BASE_ROLES } from './role-name.ts';
import type { FilePlan, ServerPlan } from './server-plan.ts';
import type { Delegation } from './targets.ts';
import type { SigningRole } from './threshold.ts';

/** Makes a root (dct-protocol 3). A rotation is signed by the old root's keys too. */
export function buildRoot(
  roles: Readonly<Record<BaseRole, SigningRole>>,
  file: NewFile,
): Promise<Buffer> {
  const keys = BASE_ROLES.flatMap((name) => [...roles[name].keys.values()]);
  const listed = Object.fromEntries(BASE_ROLES.map((name) => [name, roleJson(roles[name])]));
  const fields = commonFields('Root', file);
  return signMetadata(
    { ...fields, consistent_snapshot: false, keys: keysJson(keys), roles: listed },
    file.signers,
  );
}

/** Makes targets or a delegation: the tags, and whom it delegates to. */
export function buildTargets(
  content: {
    readonly targets: ReadonlyMap<string, FileMeta>;
    readonly delegations: readonly Delegation[];
  },
  file: NewFile,
): Promise<Buffer> {
  const keys: TufKey[] = content.delegations.flatMap(({ keys: own }) => [...own.values()]);
  const roles: Json[] = content.delegations.map((role) => ({
    ...roleJson(role),
    name: role.name,
    // Go leaves an empty list out.
    ...(role.paths.length === 0 ? {} : { paths: [...role.paths] }),
  }));
  const fields = commonFields('Targets', file);
  const targets = mapJson(content.targets, fileMetaJson);
  return signMetadata(
    { ...fields, delegations: { keys: keysJson(keys), roles }, targets },
    file.signers,
  );
}

/** Makes a snapshot of the files of all roles. */
export function buildSnapshot(meta: ReadonlyMap<string, FileMeta>, file: NewFile): Promise<Buffer> {
  const fields = commonFields('Snapshot', file);
  return signMetadata({ ...fields, meta: mapJson(meta, fileMetaJson) }, file.signers);
}

/** Makes the timestamp of a snapshot's bytes. */
export function buildTimestamp(snapshot: Uint8Array, file: NewFile): Promise<Buffer> {
  const fields = commonFields('Timestamp', file);
  const meta = { snapshot: fileMetaJson(fileMetaOf(snapshot)) };
  return signMetadata({ ...fields, meta }, file.signers);
}

/** A file of the server's own. */
export interface MadeFile {
  readonly role: 'snapshot' | 'timestamp';
  readonly version: number;
  readonly bytes: Uint8Array;
}

/** Makes what the server owes an accepted upload; `signerOf` opens a server key by the id that the root lists. */
export async function buildServerFiles(
  { snapshot, timestamp }: ServerPlan,
  signerOf: (keyid: string) => Promise<TufSigner>,
): Promise<readonly MadeFile[]> {
  const open = async (plan: FilePlan): Promise<NewFile> => ({
    ...plan,
    signers: await Promise.all(plan.keyIds.map(signerOf)),
  });
  if (snapshot.kind === 'kept') {
    const bytes = await buildTimestamp(snapshot.bytes, await open(timestamp));
    return [{ role: 'timestamp', version: timestamp.version, bytes }];
  }
  const made = await buildSnapshot(snapshot.meta, await open(snapshot.plan));
  const stamped = await buildTimestamp(made, await open(timestamp));
  return [
    { role: 'snapshot', version: snapshot.plan.version, bytes: made },
    { role: 'timestamp', version: timestamp.version, bytes: stamped },
  ];
}
