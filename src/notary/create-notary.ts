import { randomUUID } from 'node:crypto';
import { codeOf, messageOf } from '../lib/errors.ts';
import { trustDeleted } from '../log/trust-events.ts';
import type { Repository } from '../oci/reference.ts';
import type { StoredTrustFile } from '../store/trust-data.ts';
import type { TrustData } from '../trust/dct/trust-data.ts';
import { readRoot } from '../tuf/root.ts';
import type {
  Notary,
  PublicKeyJson,
  PublishOutcome,
  PublishRequest,
  ServerRole,
} from './notary.ts';
import type { NotaryPorts } from './ports.ts';
import { publish } from './publish.ts';
import { Repositories } from './repositories.ts';
import { currentFile } from './repository-state.ts';
import { resetWrites } from './reset.ts';
import { ServerKeys, publicKeyJson } from './server-keys.ts';

const HASH = /^[0-9a-f]{64}$/;

/** Creates the Notary v1 service; see {@link Notary}. */
export function createNotary(ports: NotaryPorts): Notary {
  return new NotaryOfStore(ports);
}

class NotaryOfStore implements Notary {
  readonly #ports: NotaryPorts;
  readonly #keys: ServerKeys;
  readonly #repositories: Repositories;

  constructor(ports: NotaryPorts) {
    this.#ports = ports;
    this.#keys = new ServerKeys(ports);
    this.#repositories = new Repositories(ports, this.#keys);
  }

  publish(request: PublishRequest): Promise<PublishOutcome> {
    const { repository } = request;
    return this.#repositories.turn(repository, async () => {
      try {
        const before = await this.#repositories.state(repository);
        const { outcome, state } = await publish(this.#ports, this.#keys, before, request);
        if (state === 'unknown') this.#repositories.forget(repository);
        else if (state !== null) this.#repositories.changed(repository, state);
        return outcome;
      } catch (error) {
        // What is stored now is not known: it is read again.
        this.#repositories.forget(repository);
        throw error;
      }
    });
  }

  async mayBegin(repository: Repository): Promise<boolean> {
    if (this.#ports.pinnedRoots(repository) === null) return false;
    return !(await this.#repositories.state(repository)).files.has('root');
  }

  async current(repository: Repository, role: string): Promise<StoredTrustFile | null> {
    const signs = role === 'timestamp' || role === 'snapshot';
    const state = signs
      ? await this.#repositories.fresh(repository, ['timestamp', 'snapshot'])
      : await this.#repositories.state(repository);
    return currentFile(this.#ports.store, repository, state, role);
  }

  async stored(
    repository: Repository,
    role: string,
    which: { readonly version: number } | { readonly sha256: string },
  ): Promise<StoredTrustFile | null> {
    if ('sha256' in which) {
      if (!HASH.test(which.sha256)) return null;
      const newest = (await this.#repositories.state(repository)).files.get(role);
      if (newest?.sha256 === which.sha256) return newest;
    } else if (!Number.isSafeInteger(which.version) || which.version < 1) return null;
    return this.#ports.store.trustFile(repository, role, which);
  }

  key(repository: Repository, role: ServerRole): Promise<PublicKeyJson> {
    return this.#repositories.turn(repository, async () => {
      const listed = await this.#listed(repository, role);
      const held = await this.#keys.of(repository);
      const inUse = held.find((key) => listed.has(key.id));
      return publicKeyJson(
        inUse ?? (await this.#keys.pending(repository, role, (id) => !listed.has(id))),
      );
    });
  }

  rotateKey(repository: Repository, role: ServerRole): Promise<PublicKeyJson> {
    return this.#repositories.turn(repository, async () => {
      const listed = await this.#listed(repository, role);
      return publicKeyJson(await this.#keys.pending(repository, role, (id) => !listed.has(id)));
    });
  }

  /** The ids that the repository's root lists for a role; none without a root. */
  async #listed(repository: Repository, role: ServerRole): Promise<ReadonlySet<string>> {
    const root = (await this.#repositories.state(repository)).files.get('root');
    const read = root && readRoot(root.bytes);
    return new Set(read?.ok === true ? read.value.roles[role].keys.keys() : []);
  }

  remove(repository: Repository, actor: string): Promise<void> {
    return this.#repositories.turn(repository, async () => {
      if ((await this.#repositories.state(repository)).files.size === 0) return;
      try {
        await this.#ports.store.commit([
          { kind: 'event', event: trustDeleted(repository, actor, randomUUID()) },
          { kind: 'trust-delete', repository },
        ]);
      } finally {
        this.#repositories.forget(repository);
      }
    });
  }

  reset(repository: Repository, actor: string, reason: string): Promise<void> {
    return this.#repositories.turn(repository, async () => {
      const { store, clock } = this.#ports;
      const state = await this.#repositories.state(repository);
      try {
        await store.commit(
          await resetWrites(store, repository, state, { actor, reason, now: clock() }),
        );
      } finally {
        this.#repositories.forget(repository);
      }
    });
  }

  changes(query: Parameters<Notary['changes']>[0]): ReturnType<Notary['changes']> {
    return this.#ports.store.trustChanges(query);
  }

  trustData(repository: Repository): Promise<TrustData | null> {
    return this.#repositories.trustData(repository);
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
}
