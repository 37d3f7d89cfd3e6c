import { Mutex } from '../lib/single-flight.ts';
import type { Repository } from '../oci/reference.ts';
import type { TrustData } from '../trust/dct/trust-data.ts';
import type { ListingRole } from '../tuf/listing.ts';
import { trustDataOf, verifyPinned } from './evidence.ts';
import type { NotaryPorts } from './ports.ts';
import { Remembered } from './remembered.ts';
import type { RepositoryState } from './repository-state.ts';
import { rememberStates, sizeOf } from './repository-state.ts';
import type { ServerKeys } from './server-keys.ts';
import { isStale, signAnew } from './sign-anew.ts';

/** Verified repositories that are kept, and about how much larger they are than their files. */
const VERIFIED = 1000;
const VERIFIED_BYTES = 256 * 1024 * 1024;
const GROWTH = 8;
/** How long a refusal of trust data is remembered; only a change mends it, or a certificate that begins. */
const REFUSAL_MS = 60_000;

interface Evidence {
  readonly data: TrustData;
  /** Until when it counts, in milliseconds since the epoch. */
  readonly until: number;
  readonly bytes: number;
}

/** The repositories as they are stored now, remembered until they change. Rejects as the store does. */
export class Repositories {
  readonly #ports: NotaryPorts;
  readonly #keys: ServerKeys;
  readonly #turns = new Mutex();
  readonly #states = rememberStates();
  readonly #evidence = new Remembered<Evidence>({
    entries: VERIFIED,
    bytes: VERIFIED_BYTES,
    sizeOf: ({ bytes }) => bytes,
  });

  constructor(ports: NotaryPorts, keys: ServerKeys) {
    this.#ports = ports;
    this.#keys = keys;
  }

  /** Whatever changes a repository, or has to see it unchanged, goes one after the other. */
  turn<T>(repository: Repository, work: () => Promise<T>): Promise<T> {
    return this.#turns.run(repository, work);
  }

  /** The newest file of each role. */
  state(repository: Repository): Promise<RepositoryState> {
    return this.#states.get(repository, async () => ({
      files: await this.#ports.store.trustFiles(repository),
    }));
  }

  /** The state with these files signed anew where they have expired. Rejects with MASTER_KEY_WRONG. */
  async fresh(repository: Repository, roles: readonly ListingRole[]): Promise<RepositoryState> {
    const state = await this.state(repository);
    if (!isStale(state, this.#ports.clock(), roles)) return state;
    return this.turn(repository, () => this.#renewed(repository, roles));
  }

  /** As {@link Repositories.fresh}, for who has the turn: another may have been first. */
  async #renewed(repository: Repository, roles: readonly ListingRole[]): Promise<RepositoryState> {
    const state = await this.state(repository);
    if (!isStale(state, this.#ports.clock(), roles)) return state;
    try {
      if (!(await signAnew(this.#ports, this.#keys, repository, state))) return state;
    } catch (error) {
      this.forget(repository);
      throw error;
    }
    this.forget(repository);
    return this.state(repository);
  }

  /** See `Notary.trustData`. */
  async trustData(repository: Repository): Promise<TrustData | null> {
    if ((await this.state(repository)).files.size === 0) return null;
    const evidence = await this.#evidence.get(
      repository,
      () => this.turn(repository, () => this.#verify(repository)),
      ({ until }) => this.#ports.clock().getTime() < until,
    );
    return evidence.data;
  }

  async #verify(repository: Repository): Promise<Evidence> {
    const { store, clock } = this.#ports;
    // Whether somebody asks for the snapshot must not decide whether it counts. What cannot be signed
    // is judged as it stands.
    const state = await this.#renewed(repository, ['snapshot']).catch(() => this.state(repository));
    const now = clock();
    const pin = await store.trustPin(repository);
    const current = await verifyPinned(store, repository, state, pin, now);
    const until = current.ok ? current.value.expires.getTime() : now.getTime() + REFUSAL_MS;
    const data = trustDataOf(store, repository, current);
    return { data, until, bytes: GROWTH * sizeOf(state) };
  }

  /** Takes the state that a commit of this process made; evidence is verified anew. */
  changed(repository: Repository, state: RepositoryState): void {
    this.#evidence.forget(repository);
    this.#states.set(repository, state);
  }

  /** Reads everything anew from now on: what is stored has changed, or is not known. */
  forget(repository: Repository): void {
    this.#states.forget(repository);
    this.#evidence.forget(repository);
  }
}
