import type { TrustHttp } from './trust-http.ts';

/** A role's file as it is served, read by a test. */
export interface ServedFile {
  readonly version: number;
  readonly expires: Date;
  readonly bytes: Buffer;
  /** Key ids of its signatures. */
  readonly signers: readonly string[];
  /** Of a root: the key with this id. */
  keyOf(id: string | undefined): unknown;
  /** Of a root: ids of a role's keys. */
  roleKeys(role: string): readonly string[];
  /** Of targets: ids of a delegation's keys. */
  delegates(role: string): readonly string[];
  /** Of targets: a tag's digest in hex; `undefined` where it has none. */
  digestOf(tag: string): string | undefined;
  /** Of a snapshot or timestamp: the SHA-256 that it lists for a role, in hex. */
  listed(role: string): string | undefined;
  /** Of a snapshot: the roles that it lists. */
  roles(): readonly string[];
}

interface Listed {
  readonly hashes: { readonly sha256: string };
}

interface Envelope {
  readonly signed: {
    readonly version: number;
    readonly expires: string;
    readonly keys?: Readonly<Record<string, unknown>>;
    readonly roles?: Readonly<Record<string, { readonly keyids: readonly string[] }>>;
    readonly targets?: Readonly<Record<string, Listed>>;
    readonly meta?: Readonly<Record<string, Listed>>;
    readonly delegations?: {
      readonly roles: readonly { readonly name: string; readonly keyids: readonly string[] }[];
    };
  };
  readonly signatures: readonly { readonly keyid: string }[];
}

const hex = (listed: Listed | undefined): string | undefined =>
  listed && Buffer.from(listed.hashes.sha256, 'base64').toString('hex');

/** Reads a role's bytes; the caller vouches for their shape. */
export function servedFile(bytes: Buffer): ServedFile {
  const { signed, signatures } = JSON.parse(bytes.toString()) as Envelope;
  return {
    version: signed.version,
    expires: new Date(signed.expires),
    bytes,
    signers: signatures.map(({ keyid }) => keyid),
    keyOf: (id) => signed.keys?.[id ?? ''],
    roleKeys: (role) => signed.roles?.[role]?.keyids ?? [],
    delegates: (role) => signed.delegations?.roles.find(({ name }) => name === role)?.keyids ?? [],
    digestOf: (tag) => hex(signed.targets?.[tag]),
    listed: (role) => hex(signed.meta?.[role]),
    roles: () => Object.keys(signed.meta ?? {}),
  };
}

/** Fetches a role's current file. Throws where it is not served. */
export async function signedFile(http: TrustHttp, gun: string, role: string): Promise<ServedFile> {
  const answer = await http.file(gun, `${role}.json`);
  if (answer.status !== 200) {
    throw new Error(`${role} of ${gun}: ${answer.status} ${answer.body.toString()}`);
  }
  return servedFile(answer.body);
}

/** The current version of each of the four base roles. */
export async function versionsOf(
  http: TrustHttp,
  gun: string,
): Promise<Readonly<Record<'root' | 'targets' | 'snapshot' | 'timestamp', number>>> {
  const version = async (role: string): Promise<number> =>
    (await signedFile(http, gun, role)).version;
  return {
    root: await version('root'),
    targets: await version('targets'),
    snapshot: await version('snapshot'),
    timestamp: await version('timestamp'),
  };
}
