import type { Repository } from '../../oci/reference.ts';
import type { TufKey } from '../../tuf/public-key.ts';
import type { OwnKey } from './repository-keys.ts';
import { ownKey, storedKeysOf } from './repository-keys.ts';
import type { TrustSession } from './session.ts';

/** The keys that a repository begins with. Those that are made for it are kept nowhere yet. */
export interface FirstKeys {
  readonly root: OwnKey;
  readonly targets: OwnKey;
  readonly timestamp: TufKey;
  readonly snapshot: TufKey;
}

/** The beginnings of repositories that have no trust data yet, asked for before anything is written. */
export class Beginnings {
  readonly #session: TrustSession;
  readonly #announce: (line: string) => void;
  readonly #first = new Map<Repository, FirstKeys | null>();
  /** One root key serves all that begin together. */
  #root: OwnKey | null = null;

  /** `announce` is told what is made and why, before the first question. */
  constructor(session: TrustSession, announce: (line: string) => void) {
    this.#session = session;
    this.#announce = announce;
  }

  /** Where a repository has no trust data, {@link firstKeys}. Throws what the server and that throws. */
  async prepare(gun: Repository): Promise<void> {
    const { server, cache } = this.#session;
    if (this.#first.has(gun)) return;
    const there = (await server.file(gun, 'root')) !== null;
    // Trust data that were here once are not begun anew: signing refuses that.
    if (there || (await cache.read(gun, 'root')) !== null) {
      this.#first.set(gun, null);
      return;
    }
    const keys = await firstKeys(this.#session, gun, this.#root, this.#announce);
    this.#root = keys.root;
    this.#first.set(gun, keys);
  }

  /** What was prepared for the repository. */
  of(gun: Repository): FirstKeys | undefined {
    return this.#first.get(gun) ?? undefined;
  }
}

/**
 * Opens or makes the keys that a repository begins with, and asks for all their passphrases; nothing is
 * written, so that whoever has none, or too short a one, has changed nothing. Throws what the server says to
 * who may not write there or finds no such service, and what opening keys and asking for passphrases throws.
 */
export async function firstKeys(
  session: TrustSession,
  gun: Repository,
  root: OwnKey | null = null,
  announce: (line: string) => void = () => {},
): Promise<FirstKeys> {
  const { server } = session;
  // First, as it tells whether there is such a service, and the right to write: no key is made for nothing.
  const timestamp = await server.key(gun, 'timestamp');
  const snapshot = await server.key(gun, 'snapshot');
  const place = { role: 'root', gun: null } as const;
  const hasRoot = root !== null || (await storedKeysOf(session, place)).length > 0;
  announce(
    `${gun} has no trust data yet; its first signature begins them: ${hasRoot ? WITH_ROOT : WITHOUT_ROOT}`,
  );
  return {
    root: root ?? (await ownKey(session, place)),
    targets: await ownKey(session, { role: 'targets', gun }),
    timestamp,
    snapshot,
  };
}

const WITH_ROOT =
  'your root key opens for it, and it gets a key of its own, the repository key, under a new passphrase';
const WITHOUT_ROOT =
  'that makes your root key, which says for good who may sign, and a repository key, each under a new passphrase of its own';
