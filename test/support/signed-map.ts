import { unwrap } from '../../src/lib/result.ts';
import type { Result } from '../../src/lib/result.ts';
import type { Digest } from '../../src/oci/digest.ts';
import { hexOf } from '../../src/oci/digest.ts';
import type { Repository } from '../../src/oci/reference.ts';
import type { StoredEntry } from '../../src/store/trust-data.ts';
import type { Authority } from '../../src/trust/format.ts';
import type { TrustData } from '../../src/trust/dct/trust-data.ts';
import {
  buildRoot,
  buildSnapshot,
  buildTargets,
  buildTimestamp,
} from '../../src/tuf/build-files.ts';
import { fileMetaOf } from '../../src/tuf/file-meta.ts';
import { lifetime } from '../../src/tuf/lifetime.ts';
import type { TrustedRepository } from '../../src/tuf/repository.ts';
import { verifyRepository } from '../../src/tuf/repository.ts';
import { verifyRoot } from '../../src/tuf/root-trust.ts';
import type { Root } from '../../src/tuf/root.ts';
import type { Hand } from './tuf.ts';
import { makeHand, roleOf } from './tuf.ts';

/** What one role of a signed map is to say, and how it is signed. */
export interface RoleSaid {
  readonly tags: Readonly<Record<string, Digest>>;
  /** Who may sign it; `targets` is signed by its own hand unless told. */
  readonly hands?: readonly Hand[];
  /** Who does sign it; all who may unless told. */
  readonly signedBy?: readonly Hand[];
  readonly threshold?: number;
  readonly paths?: readonly string[];
  readonly expires?: Date;
}

/** How a state of the repository is published. */
export interface Publishing {
  /** By role; a role that is not named is not there. */
  readonly roles: Readonly<Record<string, RoleSaid>>;
  /** Instead of the next one. */
  readonly version?: number;
  readonly snapshotExpires?: Date;
}

/**
 * A repository's trust data, made by the builders and verified as the service does: from the first root
 * on, never older than what was seen, with who signed what on record.
 */
export class SignedMap {
  readonly gun: Repository;
  readonly hands: Readonly<Record<'root' | 'targets' | 'snapshot' | 'timestamp', Hand>>;
  readonly #now: () => Date;
  readonly #entries: StoredEntry[] = [];
  #pinned: Root | null = null;
  #seen: ReadonlyMap<string, number> = new Map();
  #files: ReadonlyMap<string, Buffer> = new Map();
  readonly #roots: Root[] = [];
  #version = 0;

  private constructor(gun: Repository, hands: SignedMap['hands'], now: () => Date) {
    this.gun = gun;
    this.hands = hands;
    this.#now = now;
  }

  /** Makes the keys; nothing is published yet. */
  static async begin(gun: Repository, now: () => Date): Promise<SignedMap> {
    const at = { gun, now: now() };
    const hands = {
      root: await makeHand('ecdsa-p256', at),
      targets: await makeHand('ecdsa-p256'),
      snapshot: await makeHand(),
      timestamp: await makeHand(),
    };
    return new SignedMap(gun, hands, now);
  }

  /** Publishes a whole new state. */
  async publish({ roles, version, snapshotExpires }: Publishing): Promise<void> {
    this.#version = version ?? this.#version + 1;
    const files = await this.#build(roles, this.#version, snapshotExpires);
    this.#files = files;
    this.#pinned ??= this.#root();
    this.#roots.push(this.#root());
    for (const [role, said] of Object.entries(roles)) {
      for (const hand of signersFor(role, said, this.hands.targets)) {
        for (const [tag, digest] of Object.entries(said.tags)) {
          this.#record({ role, tag, digest, keyId: hand.signer.publicKey.id });
        }
      }
    }
    const current = this.#current();
    if (current.ok) this.#seen = current.value.versions;
  }

  /** Puts another root in place of the pinned one, as DELETE and a new beginning do. */
  async beginAgain(publishing: Publishing): Promise<void> {
    const other = await SignedMap.begin(this.gun, this.#now);
    await other.publish(publishing);
    this.#files = other.#files;
  }

  /** An earlier state, served again. */
  keep(): () => void {
    const files = this.#files;
    return () => {
      this.#files = files;
    };
  }

  /** As the gate reads it. */
  data(): TrustData {
    return {
      current: this.#current(),
      entriesOf: async (digest, roles) =>
        this.#entries
          .filter((one) => one.digest === digest && roles.includes(one.role))
          .toReversed(),
      publishedAt: async (role, tag, digest) =>
        this.#entries.find((e) => e.role === role && e.tag === tag && e.digest === digest)
          ?.publishedAt ?? null,
      formerKeys: async () => ({ root: this.#listed('root'), targets: this.#listed('targets') }),
    };
  }

  #listed(role: 'root' | 'targets'): ReadonlySet<string> {
    const keys = this.#roots.flatMap(({ roles }) => [...roles[role].keys.values()]);
    return new Set(keys.flatMap(({ key }) => (key === null ? [] : [key.id])));
  }

  #root(): Root {
    const bytes = this.#files.get('root') as Buffer;
    return unwrap(verifyRoot(bytes, { gun: this.gun, now: this.#now(), expiry: 'any' }));
  }

  #current(): Result<TrustedRepository> {
    const now = this.#now();
    const bytes = this.#files.get('root') as Buffer;
    const previous = this.#pinned;
    const root = verifyRoot(bytes, {
      gun: this.gun,
      now,
      expiry: 'required',
      ...(previous === null ? {} : { previous }),
    });
    if (!root.ok) return root;
    const { gun } = this;
    return verifyRepository({ gun, now, root: root.value, files: this.#files, seen: this.#seen });
  }

  #record(entry: Omit<StoredEntry, 'publishedAt'>): void {
    const same = this.#entries.some(
      (one) =>
        one.role === entry.role &&
        one.tag === entry.tag &&
        one.digest === entry.digest &&
        one.keyId === entry.keyId,
    );
    if (!same) this.#entries.push({ ...entry, publishedAt: this.#now().getTime() });
  }

  async #build(
    roles: Readonly<Record<string, RoleSaid>>,
    version: number,
    snapshotExpires: Date | undefined,
  ): Promise<ReadonlyMap<string, Buffer>> {
    const { root, targets, snapshot, timestamp } = this.hands;
    const now = this.#now();
    const by = (role: string, signers: readonly Hand[], expires = lifetime(role, now)) => ({
      version,
      expires,
      signers,
    });
    const files = new Map<string, Buffer>();
    files.set(
      'root',
      await buildRoot(
        {
          root: roleOf('root', [root]),
          targets: roleOf(
            'targets',
            roles['targets']?.hands ?? [targets],
            roles['targets']?.threshold,
          ),
          snapshot: roleOf('snapshot', [snapshot]),
          timestamp: roleOf('timestamp', [timestamp]),
        },
        by('root', [root]),
      ),
    );
    const delegations = Object.entries(roles)
      .filter(([role]) => role !== 'targets')
      .map(([role, said]) => ({
        ...roleOf(role, said.hands ?? [], said.threshold),
        paths: said.paths ?? [''],
      }));
    for (const [role, said] of Object.entries<RoleSaid>({ targets: { tags: {} }, ...roles })) {
      const entries = Object.entries(said.tags).map(
        ([tag, digest]) =>
          [tag, { length: 7, sha256: hexOf(digest), sha512: null, custom: null }] as const,
      );
      const below = role === 'targets' ? delegations : [];
      const signers = signersFor(role, said, targets);
      files.set(
        role,
        await buildTargets(
          { targets: new Map(entries), delegations: below },
          by(role, signers, said.expires),
        ),
      );
    }
    const meta = new Map([...files].map(([name, bytes]) => [name, fileMetaOf(bytes)]));
    const listed = await buildSnapshot(meta, by('snapshot', [snapshot], snapshotExpires));
    files.set('snapshot', listed);
    files.set('timestamp', await buildTimestamp(listed, by('timestamp', [timestamp])));
    return files;
  }
}

function signersFor(role: string, said: RoleSaid, targets: Hand): readonly Hand[] {
  return said.signedBy ?? said.hands ?? (role === 'targets' ? [targets] : []);
}

/** An authority that has the keys of these hands. */
export const authorityOf = (name: string, ...hands: readonly Hand[]): Authority => ({
  name,
  keys: hands.map((hand) => hand.signer.publicKey),
});
