import { lifetime } from '../../src/tuf/lifetime.ts';
import { buildTargets } from '../../src/tuf/build-files.ts';
import type { FileMeta } from '../../src/tuf/file-meta.ts';
import { tufKeyOf } from '../../src/tuf/public-key.ts';
import type { Digest } from '../../src/oci/digest.ts';
import { hexOf } from '../../src/oci/digest.ts';
import type { Signer } from '../../src/keys/key.ts';
import type { Attacked } from './attacked.ts';
import type { Called } from './http-call.ts';
import type { TrustAnswer, TrustHttp } from './trust-http.ts';
import { multipart, trustPath } from './trust-http.ts';
import type { Publisher, PublisherHands } from './trust-publisher.ts';
import { makePublisher } from './trust-publisher.ts';
import type { Hand } from './tuf.ts';
import { roleOf } from './tuf.ts';

/** Tags and what they are, by role; a role that is not named is not there. */
export type RolesSaid = Readonly<Record<string, Readonly<Record<string, Digest>>>>;

/** A repository's signed map at a service, as its owner publishes it. */
export interface MapAt {
  readonly gun: string;
  readonly publisher: Publisher;
  /** Publishes a whole new state, with the root where it is the first. */
  publish(roles: RolesSaid): Promise<Called>;
  /** The parts of a state, not published; with the root where told. */
  parts(roles: RolesSaid, version: number, root?: boolean): Promise<readonly [string, Buffer][]>;
  /** Publishes parts that were made before. */
  send(parts: readonly (readonly [string, Buffer])[]): Promise<Called>;
  /** Deletes the repository's trust data. */
  remove(): Promise<Called>;
}

/** A signer of a policy's as one of a delegation's. */
export function handOf(signer: Signer): Hand {
  const key = tufKeyOf(signer.publicKey);
  return { keyid: key.id, signer, key };
}

/** A service that keeps trust data, as far as a publisher needs it. */
export type MapGate = Pick<Attacked, 'host' | 'url' | 'call'>;

/** Opens the map of `path` at a gate. `signers` are the hands of the delegations, by name; `releases` is everybody's. */
export async function mapAt(
  gate: MapGate,
  path: string,
  signers: Readonly<Record<string, Hand>> = {},
  owners?: PublisherHands,
): Promise<MapAt> {
  const gun = `${gate.host}/${path}`;
  const http = httpOf(gate);
  const publisher = await makePublisher(http, gun, owners);
  let version = 0;
  const handsOf = (role: string): readonly Hand[] => {
    const own = signers[role.slice('targets/'.length)];
    return own === undefined ? Object.values(signers) : [own];
  };
  const send: MapAt['send'] = (parts) => {
    const { type, body } = multipart(parts);
    return gate.call('POST', trustPath(gun), { headers: { 'content-type': type }, body });
  };
  const parts: MapAt['parts'] = async (roles, number, root = false) => {
    const below = Object.entries(roles).filter(([role]) => role !== 'targets');
    const delegations = below.map(([name]) => ({ ...roleOf(name, handsOf(name)), paths: [''] }));
    const { targets = {} } = roles;
    const own = await publisher.targets(number, metaOf(targets), { delegations });
    const out: [string, Buffer][] = [['targets', own]];
    if (root) out.push(['root', await publisher.root()]);
    for (const [role, tags] of below) {
      const content = { targets: new Map(Object.entries(metaOf(tags))), delegations: [] };
      const expires = lifetime(role, new Date(), gun);
      const by = handsOf(role).slice(0, 1);
      out.push([role, await buildTargets(content, { version: number, expires, signers: by })]);
    }
    return out;
  };
  return {
    gun,
    publisher,
    parts,
    send,
    publish: async (roles) => {
      version++;
      return send(await parts(roles, version, version === 1));
    },
    remove: () => gate.call('DELETE', trustPath(gun)),
  };
}

function metaOf(tags: Readonly<Record<string, Digest>>): Record<string, FileMeta> {
  const entries = Object.entries(tags).map(([tag, digest]): [string, FileMeta] => [
    tag,
    { length: 7, sha256: hexOf(digest), sha512: null, custom: null },
  ]);
  return Object.fromEntries(entries);
}

function httpOf(gate: MapGate): TrustHttp {
  const call: TrustHttp['call'] = async (method, path, options): Promise<TrustAnswer> => ({
    ...(await gate.call(method, path, options)),
    detail: undefined,
  });
  return {
    url: gate.url,
    call,
    file: (gun, name) => call('GET', trustPath(gun, name)),
    publish: (gun, parts, headers = {}) => {
      const { type, body } = multipart(parts);
      return call('POST', trustPath(gun), { headers: { ...headers, 'content-type': type }, body });
    },
  };
}
