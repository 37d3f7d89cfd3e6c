import type { NamedSigner } from '../../keys/resolve-signer.ts';
import { codeOf } from '../../lib/errors.ts';
import type { Repository } from '../../oci/reference.ts';
import { buildRoot, buildTargets } from '../../tuf/build-files.ts';
import type { FileMeta } from '../../tuf/file-meta.ts';
import { lifetime } from '../../tuf/lifetime.ts';
import type { TufKey } from '../../tuf/public-key.ts';
import { tufKeyOf } from '../../tuf/public-key.ts';
import { RELEASES } from '../../tuf/role-name.ts';
import type { Delegation } from '../../tuf/targets.ts';
import type { SigningRole } from '../../tuf/threshold.ts';
import type { UploadPart } from '../../tuf/update-parts.ts';
import type { Published } from './client.ts';
import type { FirstKeys } from './first-keys.ts';
import { firstKeys } from './first-keys.ts';
import { certify } from './repository-keys.ts';
import type { TrustSession } from './session.ts';
import { signerRole } from './signer-name.ts';

/** What a new repository begins with: signers with their keys, and what the first of them signs. */
export interface FirstContent {
  readonly signers: readonly { readonly name: string; readonly keys: readonly TufKey[] }[];
  /** Signed into the signer's own role and `targets/releases`; absent where only signers are added. */
  readonly signed?: { readonly by: NamedSigner; readonly targets: ReadonlyMap<string, FileMeta> };
}

/**
 * Begins a repository as docker does (dct-protocol 5.5): a root key that is there or made, its
 * certificate, a targets key of this repository's own, snapshot and timestamp keys of the server. All of
 * it in one publish, the first tag included, so that nothing half done is ever seen. The root is the
 * pin of this machine before the server is believed anything. `prepared` are its keys, where they were
 * asked for before.
 */
export async function initialise(
  session: TrustSession,
  gun: Repository,
  content: FirstContent,
  prepared?: FirstKeys,
): Promise<Published> {
  const { clock, cache } = session;
  const {
    root: rootKey,
    targets: targetsKey,
    ...serverKeys
  } = prepared ?? (await firstKeys(session, gun));
  await rootKey.keep();
  await targetsKey.keep();
  const now = clock();
  const root = await certify(gun, rootKey.signer, now);
  const listed = tufKeyOf(targetsKey.signer.publicKey);
  const file = (role: string) => ({ version: 1, expires: lifetime(role, now, gun) });
  const parts: UploadPart[] = [
    {
      role: 'root',
      bytes: await buildRoot(
        {
          root: roleOf('root', [root.key]),
          targets: roleOf('targets', [listed]),
          snapshot: roleOf('snapshot', [serverKeys.snapshot]),
          timestamp: roleOf('timestamp', [serverKeys.timestamp]),
        },
        { ...file('root'), signers: [root.signer] },
      ),
    },
    {
      role: 'targets',
      bytes: await buildTargets(
        { targets: new Map(), delegations: delegationsOf(content) },
        { ...file('targets'), signers: [{ keyid: listed.id, signer: targetsKey.signer }] },
      ),
    },
    ...(await signedParts(content, file)),
  ];
  const published = await publishFirst(session, gun, parts);
  if (published === 'conflict') {
    // Somebody else began it a moment ago, and this targets key is nobody's.
    await targetsKey.drop();
    return published;
  }
  await cache.write(gun, new Map(parts.slice(0, 1).map(({ role, bytes }) => [role, bytes])));
  return published;
}

/**
 * Publishes what begins a repository. To whom somebody else was faster the server says that this root does
 * not follow theirs; where theirs is this one, something on the way sent the publish twice, and it is stored:
 * its key must not be dropped.
 */
async function publishFirst(
  { server }: TrustSession,
  gun: Repository,
  parts: readonly UploadPart[],
): Promise<Published> {
  let refused: unknown = null;
  try {
    if ((await server.publish(gun, parts)) === 'stored') return 'stored';
  } catch (error) {
    if (codeOf(error) !== 'TRUST_UPDATE_REFUSED') throw error;
    refused = error;
  }
  const there = await server.file(gun, 'root');
  if (there === null && refused !== null) throw refused;
  const same = parts.some(
    ({ role, bytes }) => role === 'root' && there !== null && Buffer.from(bytes).equals(there),
  );
  return same ? 'stored' : 'conflict';
}

/** One delegation a signer, and `targets/releases` with the keys of all. */
function delegationsOf({ signers }: FirstContent): readonly Delegation[] {
  if (signers.length === 0) return [];
  const roles = signers.map(({ name, keys }) => ({
    ...roleOf(signerRole(name), keys),
    paths: [''],
  }));
  const all = signers.flatMap(({ keys }) => keys);
  return [...roles, { ...roleOf(RELEASES, all), paths: [''] }];
}

async function signedParts(
  { signed }: FirstContent,
  file: (role: string) => { readonly version: number; readonly expires: Date },
): Promise<readonly UploadPart[]> {
  if (signed === undefined) return [];
  const { by, targets } = signed;
  const signers = [{ keyid: tufKeyOf(by.publicKey).id, signer: by }];
  const parts: UploadPart[] = [];
  for (const role of [signerRole(by.name ?? ''), RELEASES]) {
    const bytes = await buildTargets({ targets, delegations: [] }, { ...file(role), signers });
    parts.push({ role, bytes });
  }
  return parts;
}

function roleOf(name: string, keys: readonly TufKey[]): SigningRole {
  return { name, keys: new Map(keys.map((key) => [key.id, key])), threshold: 1 };
}
