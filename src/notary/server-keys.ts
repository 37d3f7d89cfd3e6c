import { LRUCache } from 'lru-cache';
import { generateKey } from '../keys/generate.ts';
import type { Signer } from '../keys/key.ts';
import type { PrivateKey } from '../keys/private-key.ts';
import { signWithNode } from '../keys/private-key.ts';
import { CountersignError } from '../lib/errors.ts';
import type { Repository } from '../oci/reference.ts';
import type { ServerKey } from '../store/trust-data.ts';
import type { TufSigner } from '../tuf/build.ts';
import { tufKeyOf } from '../tuf/public-key.ts';
import type { ServerPlan } from '../tuf/server-plan.ts';
import type { MasterKey } from './master-key.ts';
import { sealedUnder } from './master-key.ts';
import type { PublicKeyJson, ServerRole } from './notary.ts';
import type { NotaryPorts } from './ports.ts';

/** Opened keys that are kept: two a repository. */
const OPENED = 10_000;

/** The server's own keys: made, sealed in the store, opened to sign. */
export class ServerKeys {
  readonly #ports: Pick<NotaryPorts, 'store' | 'clock' | 'masterKey' | 'keyType'>;
  readonly #opened = new LRUCache<string, Signer>({ max: OPENED });
  #checked = false;

  constructor(ports: Pick<NotaryPorts, 'store' | 'clock' | 'masterKey' | 'keyType'>) {
    this.#ports = ports;
  }

  /** The keys of a repository, the oldest first. Rejects as the store does. */
  of(repository: Repository): Promise<readonly ServerKey[]> {
    return this.#ports.store.serverKeys(repository);
  }

  /** What signs with one of these keys, by the id that a root lists. Rejects with MASTER_KEY_WRONG. */
  async signer(keys: readonly ServerKey[], keyid: string): Promise<TufSigner> {
    const known = this.#opened.get(keyid);
    if (known !== undefined) return { keyid, signer: known };
    const key = keys.find(({ id }) => id === keyid);
    if (key === undefined) throw new Error('a key was planned with that the server does not hold');
    const signer = nodeSigner(await this.#ports.masterKey.open(key.sealed));
    // Another key in its place would sign what nobody then verifies.
    if (tufKeyOf(signer.publicKey).id !== keyid)
      throw new CountersignError(
        'MASTER_KEY_WRONG',
        `server key ${keyid.slice(0, 12)} was replaced in the database by another one`,
      );
    this.#opened.set(keyid, signer);
    return { keyid, signer };
  }

  /**
   * The key that waits for its first use and passes `may`, else a new one. For one caller at a time.
   * Rejects with MASTER_KEY_WRONG where the store's keys are sealed under another master key.
   */
  async pending(
    repository: Repository,
    role: ServerRole,
    may: (id: string) => boolean,
  ): Promise<ServerKey> {
    const algorithm = algorithmOf(this.#ports.keyType);
    const waiting = (await this.of(repository)).find(
      (key) =>
        key.role === role && key.usedAt === null && key.algorithm === algorithm && may(key.id),
    );
    return waiting ?? this.#make(repository, role);
  }

  async #make(repository: Repository, role: ServerRole): Promise<ServerKey> {
    await this.check();
    const { store, clock, masterKey, keyType } = this.#ports;
    const made = await generateKey(keyType);
    const createdAt = clock().getTime();
    const key = await sealServerKey(masterKey, made, { repository, role, createdAt, usedAt: null });
    await store.commit([{ kind: 'server-key', key }]);
    this.#opened.set(key.id, nodeSigner(made));
    return key;
  }

  /** Checks that every key is sealed under this master key; asks the store until it is so. Rejects with MASTER_KEY_WRONG. */
  async check(): Promise<void> {
    if (this.#checked) return;
    const { store, masterKey } = this.#ports;
    for (let after = ''; ;) {
      const page = await store.serverKeys(null, after);
      for (const key of page) {
        const under = sealedUnder(key.sealed);
        if (under !== masterKey.id)
          throw new CountersignError(
            'MASTER_KEY_WRONG',
            `expected the master key ${under.slice(0, 12)} that the server keys are sealed under, found ${masterKey.id.slice(0, 12)}; give the service the right one`,
          );
      }
      const last = page.at(-1);
      if (last === undefined) break;
      after = last.id;
    }
    // From now on this process alone adds keys, and seals them under its own.
    this.#checked = true;
  }
}

/** A private key as the store keeps it. */
export async function sealServerKey(
  masterKey: MasterKey,
  key: PrivateKey,
  of: Pick<ServerKey, 'repository' | 'role' | 'createdAt' | 'usedAt'>,
): Promise<ServerKey> {
  const listed = tufKeyOf(key.publicKey);
  const algorithm = listed.keytype === 'ed25519' ? 'ed25519' : 'ecdsa';
  const sealed = await masterKey.seal(key);
  return { id: listed.id, ...of, algorithm, publicKey: listed.public, sealed };
}

/** The keys that sign for the first time by this plan. */
export function firstUses(plan: ServerPlan, held: readonly ServerKey[]): readonly string[] {
  const made = plan.snapshot.kind === 'make' ? plan.snapshot.plan.keyIds : [];
  const ids = new Set([...plan.timestamp.keyIds, ...made]);
  return held.filter(({ id, usedAt }) => usedAt === null && ids.has(id)).map(({ id }) => id);
}

/** The public half as TUF writes it. */
export function publicKeyJson({ algorithm, publicKey }: ServerKey): PublicKeyJson {
  return { keytype: algorithm, keyval: { public: publicKey, private: null } };
}

function algorithmOf(type: NotaryPorts['keyType']): ServerKey['algorithm'] {
  return type === 'ed25519' ? 'ed25519' : 'ecdsa';
}

/** Signs with OpenSSL and an opened key: a publish makes two signatures, and many publishes come at once. */
function nodeSigner({ key, publicKey }: PrivateKey): Signer {
  return {
    publicKey,
    sign: (bytes) => Promise.resolve(signWithNode(key, publicKey, bytes)),
  };
}
