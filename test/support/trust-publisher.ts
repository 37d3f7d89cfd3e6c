import type { Json } from '../../src/lib/json.ts';
import { unwrap } from '../../src/lib/result.ts';
import { buildRoot, buildTargets } from '../../src/tuf/build-files.ts';
import type { FileMeta } from '../../src/tuf/file-meta.ts';
import { lifetime } from '../../src/tuf/lifetime.ts';
import type { TufKey } from '../../src/tuf/public-key.ts';
import { parseTufKey, tufKeyId } from '../../src/tuf/public-key.ts';
import type { BaseRole } from '../../src/tuf/role-name.ts';
import type { Delegation } from '../../src/tuf/targets.ts';
import type { SigningRole } from '../../src/tuf/threshold.ts';
import type { TrustHttp } from './trust-http.ts';
import type { Hand } from './tuf.ts';
import { makeHand, roleOf } from './tuf.ts';

/** The keys that a test publishes with. */
export interface PublisherHands {
  readonly root: Hand;
  readonly targets: Hand;
}

/** Makes a repository's files as docker does, without docker: the server keeps snapshot and timestamp. */
export interface Publisher {
  readonly gun: string;
  readonly hands: PublisherHands;
  /** The server's public keys, as it handed them out. */
  readonly serverKeys: Readonly<Record<'snapshot' | 'timestamp', TufKey>>;
  root(
    version?: number,
    changes?: {
      readonly expires?: Date;
      readonly roles?: Partial<Readonly<Record<BaseRole, SigningRole>>>;
    },
  ): Promise<Buffer>;
  targets(
    version: number,
    tags?: Readonly<Record<string, FileMeta>>,
    changes?: { readonly expires?: Date; readonly delegations?: readonly Delegation[] },
  ): Promise<Buffer>;
  /** The parts of a first publish. */
  first(tags?: Readonly<Record<string, FileMeta>>): Promise<readonly [string, Buffer][]>;
}

/** Reads a key as the server hands it out (dct-protocol 1.4). Throws where it is none. */
export function serverKey(body: Uint8Array): TufKey {
  const value = JSON.parse(Buffer.from(body).toString()) as {
    keytype: string;
    keyval: { public: string };
  };
  return unwrap(parseTufKey(tufKeyId(value.keytype, value.keyval.public), value as Json));
}

/** Asks the server for its keys of a repository, and makes the others. */
export async function makePublisher(
  http: TrustHttp,
  gun: string,
  given?: PublisherHands,
): Promise<Publisher> {
  const ask = async (role: string): Promise<TufKey> => {
    const answer = await http.file(gun, `${role}.key`);
    if (answer.status !== 200) throw new Error(`${role}.key of ${gun}: ${answer.status}`);
    return serverKey(answer.body);
  };
  const serverKeys = { snapshot: await ask('snapshot'), timestamp: await ask('timestamp') };
  const hands = given ?? {
    root: await makeHand('ecdsa-p256', { gun, now: new Date() }),
    targets: await makeHand('ecdsa-p256'),
  };
  const held = (name: 'snapshot' | 'timestamp') => ({
    name,
    keys: new Map([[serverKeys[name].id, serverKeys[name]]]),
    threshold: 1,
  });
  const expires = (role: string): Date => lifetime(role, new Date(), gun);
  const publisher: Publisher = {
    gun,
    hands,
    serverKeys,
    root: (version = 1, changes = {}) =>
      buildRoot(
        {
          root: roleOf('root', [hands.root]),
          targets: roleOf('targets', [hands.targets]),
          snapshot: held('snapshot'),
          timestamp: held('timestamp'),
          ...changes.roles,
        },
        { version, expires: changes.expires ?? expires('root'), signers: [hands.root] },
      ),
    targets: (version, tags = {}, changes = {}) =>
      buildTargets(
        { targets: new Map(Object.entries(tags)), delegations: changes.delegations ?? [] },
        { version, expires: changes.expires ?? expires('targets'), signers: [hands.targets] },
      ),
    first: async (tags) => [
      ['root', await publisher.root()],
      ['targets', await publisher.targets(1, tags)],
    ],
  };
  return publisher;
}
