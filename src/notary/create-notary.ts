import { randomUUID } from 'node:crypto';
import { codeOf, messageOf } from '../lib/errors.ts';
import { Mutex } from '../lib/single-flight.ts';
import { trustDeleted } from '../log/trust-events.ts';
import type { Repository } from '../oci/reference.ts';
import type { StoredTrustFile } from '../store/trust-data.ts';
import type { TrustData } from '../trust/dct/trust-data.ts';
import type { ListingRole } from '../tuf/listing.ts';
import { trustDataOf, verifyPinned } from './evidence.ts';
import type {
  Notary,
  PublicKeyJson,
  PublishOutcome,
  PublishRequest,
  ServerRole,
} from './notary.ts';
import type { NotaryPorts } from './ports.ts';
import { publish } from './publish.ts';
import { Remembered } from './remembered.ts';
import type { RepositoryState } from './repository-state.ts';
import { currentFile, readRoot, rememberStates, sizeOf } from './repository-state.ts';
import { resetWrites } from './reset.ts';
import { ServerKeys, publicKeyJson } from './server-keys.ts';
import { isStale, signAnew } from './sign-anew.ts';

/** Verified repositories that are kept, and about how much larger they are than their files. */
const VERIFIED = 1000;
const VERIFIED_BYTES = 256 * 1024 * 1024;
const GROWTH = 8;
/** How long a refusal of trust data is remembered; only a change mends it, or a certificate that begins. */
const REFUSAL_MS = 60_000;

const HASH = /^[0-9a-f]{64}$/;

interface Evidence {
  readonly data: TrustData;
  /** Until when it counts, in milliseconds since the epoch. */
  readonly until: number;
  readonly bytes: number;
}

/** Creates the Notary v1 service; see {@link Notary}. */
export function createNotary(ports: NotaryPorts): Notary {
  return new NotaryOfStore(ports);
}

class NotaryOfStore implements Notary {
  readonly #ports: NotaryPorts;
  readonly #keys: ServerKeys;
  /** Whatever changes a repository, or has to see it unchanged, goes one after the other. */
  readonly #turns = new Mutex();
  readonly #states = rememberStates();
  readonly #evidence = new Remembered<Evidence>({
    entries: VERIFIED,
    bytes: VERIFIED_BYTES,
    sizeOf: ({ bytes }) => bytes,
  });

  constructor(ports: NotaryPorts) {
    this.#ports = ports;
    this.#keys = new ServerKeys(ports);
  }

  publish(request: PublishRequest): Promise<PublishOutcome> {
    const { repository } = request;
    return this.#turns.run(repository, async () => {
      try {
        const before = await this.#state(repository);
        const { outcome, state } = await publish(this.#ports, this.#keys, before, request);
        if (state !== null) {
          this.#evidence.forget(repository);
          this.#states.set(repository, state);
        }
        return outcome;
      } catch (error) {
        // What is stored now is not known: it is read again.
        this.#forget(repository);
        throw error;
      }
    });
  }

  async current(repository: Repository, role: string): Promise<StoredTrustFile | null> {
    const signs = role === 'timestamp' || role === 'snapshot';
    const state = signs
      ? await this.#fresh(repository, ['timestamp', 'snapshot'])
      : await this.#state(repository);
    return currentFile(this.#ports.store, repository, state, role);
  }

  async stored(
    repository: Repository,
    role: string,
    which: { readonly version: number } | { readonly sha256: string },
  ): Promise<StoredTrustFile | null> {
    if ('sha256' in which) {
      if (!HASH.test(which.sha256)) return null;
      const newest = (await this.#state(repository)).files.get(role);
      if (newest?.sha256 === which.sha256) return newest;
    } else if (!Number.isSafeInteger(which.version) || which.version < 1) return null;
    return this.#ports.store.trustFile(repository, role, which);
  }

  key(repository: Repository, role: ServerRole): Promise<PublicKeyJson> {
    return this.#turns.run(repository, async () => {
      const listed = await this.#listed(repository, role);
      const held = await this.#keys.of(repository);
      const inUse = held.find((key) => listed.has(key.id));
      return publicKeyJson(
        inUse ?? (await this.#keys.pending(repository, role, (id) => !listed.has(id))),
      );
    });
  }

  rotateKey(repository: Repository, role: ServerRole): Promise<PublicKeyJson> {
    return this.#turns.run(repository, async () => {
      const listed = await this.#listed(repository, role);
      return publicKeyJson(await this.#keys.pending(repository, role, (id) => !listed.has(id)));
    });
  }

  /** The ids that the repository's root lists for a role; none without a root. */
  async #listed(repository: Repository, role: ServerRole): Promise<ReadonlySet<string>> {
    const root = (await this.#state(repository)).files.get('root');
    const keys = root === undefined ? undefined : readRoot(root.bytes)?.roles[role].keys;
    return new Set(keys?.keys());
  }

  remove(repository: Repository, actor: string): Promise<void> {
    return this.#turns.run(repository, async () => {
      if ((await this.#state(repository)).files.size === 0) return;
      try {
        await this.#ports.store.commit([
          { kind: 'event', event: trustDeleted(repository, actor, randomUUID()) },
          { kind: 'trust-delete', repository },
        ]);
      } finally {
        this.#forget(repository);
      }
    });
  }

  reset(repository: Repository, actor: string, reason: string): Promise<void> {
    return this.#turns.run(repository, async () => {
      const { store, clock } = this.#ports;
      const state = await this.#state(repository);
      try {
        await store.commit(
          await resetWrites(store, repository, state, { actor, reason, now: clock() }),
        );
      } finally {
        this.#forget(repository);
      }
    });
  }

  changes(query: Parameters<Notary['changes']>[0]): ReturnType<Notary['changes']> {
    return this.#ports.store.trustChanges(query);
  }

  async trustData(repository: Repository): Promise<TrustData | null> {
    if ((await this.#state(repository)).files.size === 0) return null;
    const evidence = await this.#evidence.get(
      repository,
      () => this.#turns.run(repository, () => this.#verify(repository)),
      ({ until }) => this.#ports.clock().getTime() < until,
    );
    return evidence.data;
  }

  async #verify(repository: Repository): Promise<Evidence> {
    const { store, clock } = this.#ports;
    // Whether somebody asks for the snapshot must not decide whether it counts. What cannot be signed
    // is judged as it stands.
    const state = await this.#renewed(repository, ['snapshot']).catch(() =>
      this.#state(repository),
    );
    const now = clock();
    const pin = await store.trustPin(repository);
    const current = await verifyPinned(store, repository, state, pin, now);
    const until = current.ok ? current.value.expires.getTime() : now.getTime() + REFUSAL_MS;
    const data = trustDataOf(store, repository, current);
    return { data, until, bytes: GROWTH * sizeOf(state) };
  }

  async health(): Promise<Readonly<Record<string, string>>> {
    const wrong: Record<string, string> = {};
    const check = async (name: string, work: () => Promise<unknown>): Promise<void> => {
      try {
        await work();
      } catch (error) {
        wrong[name] = codeOf(error) === 'INTERNAL' ? 'failed; see the log' : messageOf(error);
      }
    };
    await check('DB operational', () => this.#ports.store.trustRevision());
    await check('Trust operational', () => this.#keys.check());
    return wrong;
  }

  #state(repository: Repository): Promise<RepositoryState> {
    return this.#states.get(repository, async () => ({
      files: await this.#ports.store.trustFiles(repository),
    }));
  }

  /** The state with these files signed anew where they have expired. */
  async #fresh(repository: Repository, roles: readonly ListingRole[]): Promise<RepositoryState> {
    const state = await this.#state(repository);
    if (!isStale(state, this.#ports.clock(), roles)) return state;
    return this.#turns.run(repository, () => this.#renewed(repository, roles));
  }

  /** As {@link NotaryOfStore.#fresh}, for who has the turn: another may have been first. */
  async #renewed(repository: Repository, roles: readonly ListingRole[]): Promise<RepositoryState> {
    const state = await this.#state(repository);
    if (!isStale(state, this.#ports.clock(), roles)) return state;
    try {
      if (!(await signAnew(this.#ports, this.#keys, repository, state))) return state;
    } catch (error) {
      this.#forget(repository);
      throw error;
    }
    this.#forget(repository);
    return this.#state(repository);
  }

  #forget(repository: Repository): void {
    this.#states.forget(repository);
    this.#evidence.forget(repository);
  }
}
