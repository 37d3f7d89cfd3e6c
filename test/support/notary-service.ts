import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import pino from 'pino';
import { expect } from 'vitest';
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
import { parseEnvelope } from '../../src/tuf/envelope.ts';
import type { FileMeta } from '../../src/tuf/file-meta.ts';
import { fileMetaOf } from '../../src/tuf/file-meta.ts';
import { lifetime } from '../../src/tuf/lifetime.ts';
import type { Listing } from '../../src/tuf/listing.ts';
import { parseListing } from '../../src/tuf/listing.ts';
import { parseTufKey, tufKeyId } from '../../src/tuf/public-key.ts';
import type { TufKey } from '../../src/tuf/public-key.ts';
import type { SigningRole } from '../../src/tuf/threshold.ts';
import { suiteScope } from './scope.ts';
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

/** Starts services that end with the suite; call it in the body of `describe`. */
export function notarySuite(): (ports?: Partial<NotaryPorts>) => Promise<NotaryStage> {
  const scope = suiteScope();
  return async (ports) => {
    const data = mkdtempSync(join(scope.folder(), 'notary-'));
    const stage = await startNotary(data, ports);
    scope.own({ stop: () => stage.close() });
    return stage;
  };
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
        expires: lifetime('targets', now, gun),
        delegations: delegations.map((role) => ({ ...role, paths: [''] })),
      }),
  };
}

let made = 0;

/** An end that no other file has: nobody signs two at one moment. */
function apart(now: Date): Date {
  return new Date(lifetime('targets', now).getTime() - 1000 * made++);
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
  const { now = START, delegations = [], expires = apart(now) } = given;
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

/** Everything in a store's database, table by table, to compare before and after. */
export function wholeStore({ data }: NotaryStage): Readonly<Record<string, readonly string[]>> {
  const db = new DatabaseSync(join(data, 'countersign.db'), { readOnly: true });
  try {
    const tables = db
      .prepare(`SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name`)
      .all()
      .map((row) => String(row['name']));
    const hex = (_name: string, value: unknown): unknown =>
      value instanceof Uint8Array ? Buffer.from(value).toString('hex') : value;
    return Object.fromEntries(
      tables.map((table) => [
        table,
        db
          .prepare(`SELECT * FROM "${table}"`)
          .all()
          .map((row) => JSON.stringify(Object.entries(row).map(([k, v]) => [k, hex(k, v)]))),
      ]),
    );
  } finally {
    db.close();
  }
}

/** Publishes files that have to be refused with nothing changed; gives the refusal. */
export async function refusedFiles(
  stage: NotaryStage,
  repository: Repository,
  files: Readonly<Record<string, Uint8Array>>,
  mayPush = true,
): Promise<unknown> {
  const before = wholeStore(stage);
  const outcome = await publishFiles(stage, repository, files, mayPush);
  expect(wholeStore(stage)).toEqual(before);
  return outcome.ok ? 'accepted' : outcome.refusal;
}

/** INVALID_UPDATE with this fault and message. */
export function faultOf(name: string, message: string | RegExp): object {
  const Msg: unknown = typeof message === 'string' ? message : expect.stringMatching(message);
  return { code: 'INVALID_UPDATE', detail: { Name: name, Error: { Msg } } };
}

/** What the service signed, parsed; the caller vouches that it is there. */
export async function servedListing(
  { notary }: NotaryStage,
  repository: Repository,
  role: 'snapshot' | 'timestamp',
): Promise<Listing> {
  const file = await notary.current(repository, role);
  if (file === null) throw new Error(`no ${role} of ${repository}`);
  return unwrap(parseListing(unwrap(parseEnvelope(file.bytes)), role));
}
