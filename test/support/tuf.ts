import { generateKey } from '../../src/keys/generate.ts';
import type { KeyType, Signer } from '../../src/keys/key.ts';
import { fileSigner } from '../../src/keys/signers/file.ts';
import type { JsonObject } from '../../src/lib/json.ts';
import { unwrap } from '../../src/lib/result.ts';
import {
  buildRoot,
  buildSnapshot,
  buildTargets,
  buildTimestamp,
} from '../../src/tuf/build-files.ts';
import type { TufSigner } from '../../src/tuf/build.ts';
import { signMetadata } from '../../src/tuf/build.ts';
import { parseEnvelope } from '../../src/tuf/envelope.ts';
import type { FileMeta } from '../../src/tuf/file-meta.ts';
import { fileMetaOf } from '../../src/tuf/file-meta.ts';
import { lifetime } from '../../src/tuf/lifetime.ts';
import type { TufKey } from '../../src/tuf/public-key.ts';
import { tufKeyOf } from '../../src/tuf/public-key.ts';
import { rootCertificateKey } from '../../src/tuf/root-certificate.ts';
import type { SigningRole } from '../../src/tuf/threshold.ts';

export const GUN = 'registry.example.com/team/app';
export const NOW = new Date('2026-11-22T12:00:00.500Z');

/** A key that a test signs with, as metadata lists it. */
export interface Hand extends TufSigner {
  readonly key: TufKey;
}

/** Makes a key, in a certificate for a root. */
export async function makeHand(
  type: KeyType = 'ed25519',
  root?: { gun: string; now: Date },
): Promise<Hand> {
  const signer: Signer = fileSigner(await generateKey(type));
  const key =
    root === undefined
      ? tufKeyOf(signer.publicKey)
      : unwrap(await rootCertificateKey(root.gun, signer, root.now));
  return { keyid: key.id, signer, key };
}

/** A role that these hands sign. */
export function roleOf(name: string, hands: readonly Hand[], threshold = 1): SigningRole {
  return { name, keys: new Map(hands.map((hand) => [hand.keyid, hand.key])), threshold };
}

/** A tag's entry for some content. */
export function tag(content: string): FileMeta {
  return { ...fileMetaOf(Buffer.from(content)), sha512: null };
}

/** One repository of our own making: `targets`, `targets/alice` and `targets/releases`. */
export interface MadeRepository {
  readonly gun: string;
  readonly hands: Readonly<Record<'root' | 'targets' | 'snapshot' | 'timestamp' | 'alice', Hand>>;
  readonly files: ReadonlyMap<string, Buffer>;
}

export async function makeRepository(
  given: { gun?: string; now?: Date; version?: number; hands?: MadeRepository['hands'] } = {},
): Promise<MadeRepository> {
  const { gun = GUN, now = NOW, version = 1 } = given;
  const hands = given.hands ?? {
    root: await makeHand('ecdsa-p256', { gun, now }),
    targets: await makeHand('ecdsa-p256'),
    snapshot: await makeHand(),
    timestamp: await makeHand(),
    alice: await makeHand('ecdsa-p384'),
  };
  const by = (role: string, hand: Hand) => ({
    version,
    expires: lifetime(role, now),
    signers: [hand],
  });
  const roles = {
    root: roleOf('root', [hands.root]),
    targets: roleOf('targets', [hands.targets]),
    snapshot: roleOf('snapshot', [hands.snapshot]),
    timestamp: roleOf('timestamp', [hands.timestamp]),
  };
  const delegations = ['targets/alice', 'targets/releases'].map((name) => ({
    ...roleOf(name, [hands.alice]),
    paths: [''],
  }));
  const signed = (role: string, tags: Record<string, FileMeta>, hand: Hand, below = delegations) =>
    buildTargets({ targets: new Map(Object.entries(tags)), delegations: below }, by(role, hand));
  const files = new Map<string, Buffer>([
    ['root', await buildRoot(roles, by('root', hands.root))],
    ['targets', await signed('targets', { old: tag('old') }, hands.targets)],
    ['targets/alice', await signed('targets/alice', { new: tag('new') }, hands.alice, [])],
    ['targets/releases', await signed('targets/releases', { new: tag('new') }, hands.alice, [])],
  ]);
  const meta = new Map([...files].map(([name, bytes]) => [name, fileMetaOf(bytes)]));
  files.set('snapshot', await buildSnapshot(meta, by('snapshot', hands.snapshot)));
  const snapshot = files.get('snapshot') as Buffer;
  files.set('timestamp', await buildTimestamp(snapshot, by('timestamp', hands.timestamp)));
  return { gun, hands, files };
}

/** A file with some members of what is signed changed, signed by other hands or the given ones. */
export function resign(
  bytes: Uint8Array,
  changes: JsonObject,
  hands: readonly TufSigner[],
): Promise<Buffer> {
  return signMetadata({ ...unwrap(parseEnvelope(bytes)).signed, ...changes }, hands);
}

/** The repository with one file put in another's place, and everything above it listed and signed anew. */
export async function replaced(
  made: MadeRepository,
  role: string,
  bytes: Buffer,
  version = 1,
): Promise<ReadonlyMap<string, Buffer>> {
  const files = new Map(made.files).set(role, bytes);
  const { snapshot, timestamp } = made.hands;
  const later = (name: string, hand: Hand) => ({
    version,
    expires: lifetime(name, NOW),
    signers: [hand],
  });
  if (role !== 'snapshot' && role !== 'timestamp') {
    const listed = [...files].filter(([name]) => name !== 'snapshot' && name !== 'timestamp');
    const meta = new Map(listed.map(([name, content]) => [name, fileMetaOf(content)]));
    files.set('snapshot', await buildSnapshot(meta, later('snapshot', snapshot)));
  }
  if (role !== 'timestamp') {
    const listed = files.get('snapshot') as Buffer;
    files.set('timestamp', await buildTimestamp(listed, later('timestamp', timestamp)));
  }
  return files;
}
