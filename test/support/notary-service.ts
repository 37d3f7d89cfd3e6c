import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import pino from 'pino';
import type { KeyType } from '../../src/keys/key.ts';
import { unwrap } from '../../src/lib/result.ts';
import { createNotary } from '../../src/notary/create-notary.ts';
import type { MasterKey } from '../../src/notary/master-key.ts';
import { newMasterKeyText, parseMasterKey } from '../../src/notary/master-key.ts';
import type { Notary, PublishOutcome, ServerRole } from '../../src/notary/notary.ts';
import type { NotaryPorts } from '../../src/notary/ports.ts';
import type { Repository } from '../../src/oci/reference.ts';
import { parseRepository } from '../../src/oci/reference.ts';
import type { Store } from '../../src/store/store.ts';
import { buildRoot, buildSnapshot, buildTargets } from '../../src/tuf/build-files.ts';
import type { FileMeta } from '../../src/tuf/file-meta.ts';
import { fileMetaOf } from '../../src/tuf/file-meta.ts';
import { lifetime } from '../../src/tuf/lifetime.ts';
import { parseTufKey, tufKeyId } from '../../src/tuf/public-key.ts';
import type { TufKey } from '../../src/tuf/public-key.ts';
import type { SigningRole } from '../../src/tuf/threshold.ts';
import { openAt } from './store.ts';
import type { Hand } from './tuf.ts';
import { makeHand, roleOf, tag } from './tuf.ts';

/** When the tests of the service begin. */
export const START = new Date('2026-11-22T12:00:00.500Z');

/** A Notary v1 service over a store of its own, at a time that the test sets. */
export interface NotaryStage {
  readonly notary: Notary;
  readonly store: Store;
  readonly data: string;
  readonly masterKey: MasterKey;
  /** What was logged, as JSON lines. */
  readonly logged: readonly string[];
  now: Date;
  /** Ends the process, as far as its memory goes, and starts another on the same store. */
  restart(ports?: Partial<NotaryPorts>): Promise<NotaryStage>;
  close(): Promise<void>;
}

/** Starts a service on a data folder. */
export async function startNotary(
  data: string,
  ports: Partial<NotaryPorts> = {},
): Promise<NotaryStage> {
  const time = { now: START };
  const clock = ports.clock ?? (() => time.now);
  const store = ports.store ?? (await openAt(data, clock));
  const logged: string[] = [];
  const masterKey = ports.masterKey ?? parseMasterKey(newMasterKeyText());
  const notary = createNotary({
    keyType: 'ecdsa-p256',
    pinnedRoots: () => null,
    log: pino({ level: 'trace' }, { write: (line: string) => void logged.push(line) }),
    ...ports,
    clock,
    store,
    masterKey,
  });
  return {
    notary,
    store,
    data,
    masterKey,
    logged,
    get now() {
      return time.now;
    },
    set now(value) {
      time.now = value;
    },
    async restart(other = {}) {
      await store.close();
      const { store: _closed, ...kept } = ports;
      const next = await startNotary(data, { ...kept, masterKey, ...other });
      next.now = time.now;
      return next;
    },
    close: () => store.close(),
  };
}

/** A new data folder below another. */
export const dataIn = (folder: string): string => mkdtempSync(join(folder, 'notary-'));

/** A repository by its name. */
export const gunOf = (name: string): Repository =>
  unwrap(parseRepository(`registry.example.com/${name}`));

/** Somebody who owns a repository: his keys, and the versions that he signed last. */
export interface Owner {
  readonly gun: Repository;
  readonly hands: Readonly<Record<'root' | 'targets', Hand>>;
  readonly serverKeys: Readonly<Record<ServerRole, TufKey>>;
  /** A root as version n, optionally with other keys; `by` also signs it. */
  root(version: number, other?: Partial<Roots>, by?: readonly Hand[]): Promise<Buffer>;
  /** A targets file of these tags. */
  targets(
    version: number,
    tags: Readonly<Record<string, string>>,
    delegations?: readonly SigningRole[],
  ): Promise<Buffer>;
}

type Roots = Readonly<Record<'root' | 'targets' | 'snapshot' | 'timestamp', SigningRole>>;

/** Makes an owner whose snapshot and timestamp the service signs, unless he keeps the snapshot's key himself. */
export async function makeOwner(
  stage: NotaryStage,
  gun: Repository,
  given: { snapshot?: Hand; type?: KeyType; root?: Hand } = {},
): Promise<Owner> {
  const now = stage.now;
  const hands = {
    root: given.root ?? (await makeHand('ecdsa-p256', { gun, now })),
    targets: await makeHand(given.type ?? 'ecdsa-p256'),
  };
  const served = async (role: ServerRole): Promise<TufKey> => {
    const { keytype, keyval } = await stage.notary.key(gun, role);
    const id = tufKeyId(keytype, keyval.public);
    return unwrap(parseTufKey(id, { keytype, keyval: { ...keyval } }));
  };
  const serverKeys = {
    timestamp: await served('timestamp'),
    snapshot: given.snapshot?.key ?? (await served('snapshot')),
  };
  const single = (name: string, key: TufKey): SigningRole => ({
    name,
    keys: new Map([[key.id, key]]),
    threshold: 1,
  });
  const roles: Roots = {
    root: roleOf('root', [hands.root]),
    targets: roleOf('targets', [hands.targets]),
    snapshot: single('snapshot', serverKeys.snapshot),
    timestamp: single('timestamp', serverKeys.timestamp),
  };
  return {
    gun,
    hands,
    serverKeys,
    root: (version, other = {}, by = [hands.root]) =>
      buildRoot({ ...roles, ...other }, { version, expires: lifetime('root', now), signers: by }),
    targets: (version, tags, delegations = []) =>
      targetsFile(version, tags, [hands.targets], {
        now,
        delegations: delegations.map((role) => ({ ...role, paths: [''] })),
      }),
  };
}

/** A targets file, or a delegation's, of tags whose digests are those of the given contents. */
export function targetsFile(
  version: number,
  tags: Readonly<Record<string, string>>,
  signers: readonly Hand[],
  given: {
    now?: Date;
    delegations?: readonly (SigningRole & { readonly paths: readonly string[] })[];
    expires?: Date;
  } = {},
): Promise<Buffer> {
  const { now = START, delegations = [], expires = lifetime('targets', now) } = given;
  const targets = new Map<string, FileMeta>();
  for (const [name, content] of Object.entries(tags)) targets.set(name, tag(content));
  return buildTargets({ targets, delegations }, { version, expires, signers });
}

/** A client's own snapshot of some files. */
export function snapshotFile(
  version: number,
  files: Readonly<Record<string, Uint8Array>>,
  signers: readonly Hand[],
  now = START,
): Promise<Buffer> {
  const meta = new Map(Object.entries(files).map(([role, bytes]) => [role, fileMetaOf(bytes)]));
  return buildSnapshot(meta, { version, expires: lifetime('snapshot', now), signers });
}

/** Publishes files by role, as somebody who may push. */
export function publishFiles(
  { notary }: NotaryStage,
  repository: Repository,
  files: Readonly<Record<string, Uint8Array>>,
  mayPush = true,
): Promise<PublishOutcome> {
  const parts = Object.entries(files).map(([role, bytes]) => ({ role, bytes }));
  return notary.publish({ repository, parts, actor: 'alice', mayPush });
}

/** Begins a repository: root and targets with these tags, both version 1. */
export async function begin(
  stage: NotaryStage,
  owner: Owner,
  tags: Readonly<Record<string, string>> = { latest: 'one' },
): Promise<PublishOutcome> {
  return publishFiles(stage, owner.gun, {
    root: await owner.root(1),
    targets: await owner.targets(1, tags),
  });
}

/** Everything that a store keeps of trust data, to compare before and after. */
export async function wholeState(store: Store): Promise<unknown> {
  const repositories = await store.trustRepositories(null);
  const digests = new Set<string>();
  return {
    counts: await store.counts(),
    revision: await store.trustRevision(),
    changes: await store.trustChanges({ repository: null, limit: 1000, after: 0 }),
    keys: await store.serverKeys(null),
    repositories: await Promise.all(
      repositories.map(async (repository) => ({
        repository,
        files: [...(await store.trustFiles(repository))],
        pin: await store.trustPin(repository),
      })),
    ),
    digests: [...digests],
  };
}
