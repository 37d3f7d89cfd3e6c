import { randomUUID } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { messageOf } from '../../lib/errors.ts';
import type { Logger } from '../../lib/logger.ts';
import { unwrap } from '../../lib/result.ts';
import { keyRegistered, policyLoaded, policyRejected } from '../../log/policy-events.ts';
import type { Repository } from '../../oci/reference.ts';
import { lintHosts } from '../../policy/lint.ts';
import type { LoadedPolicies } from '../../policy/load.ts';
import { govern } from '../../policy/match.ts';
import type { Governing } from '../../policy/policy.ts';
import type { PolicyProblem, PolicyWatch, WatchOptions } from '../../policy/watch.ts';
import { watchPolicies } from '../../policy/watch.ts';
import type { NewEvent, Store } from '../../store/store.ts';

/** What {@link PoliciesInForce.open} needs. */
export interface PoliciesOptions {
  readonly folder: string;
  /** The canonical names of the registries that the service answers for. */
  readonly hosts: readonly string[];
  readonly watch: WatchOptions;
  readonly store: Store;
  readonly log: Logger;
  /** Told of every load that took effect (`revision`), and of every edit that was refused (`null`). */
  readonly onLoad: (revision: string | null) => void;
}

/** The policies in force: the last set that loaded whole, with every load and every refused edit recorded. */
export class PoliciesInForce {
  #set: LoadedPolicies;
  // Which policy governs a repository is asked for every request; names are the clients' to invent.
  #governing = new LRUCache<string, { readonly governing: Governing | null }>({ max: 10_000 });
  readonly #watch: PolicyWatch;

  private constructor(watch: PolicyWatch) {
    this.#watch = watch;
    this.#set = watch.current();
  }

  /** Loads and records the folder's policies, then follows edits. Throws POLICY_INVALID, STORE_UNAVAILABLE. */
  static async open(options: PoliciesOptions): Promise<PoliciesInForce> {
    const { store, log, onLoad } = options;
    const watch = unwrap(await watchPolicies(options.folder, options.watch));
    const policies = new PoliciesInForce(watch);
    const announce = async (set: LoadedPolicies): Promise<void> => {
      await store.commit(eventsOf(set).map((event) => ({ kind: 'event', event })));
      onLoad(set.revision);
      log.info({ revision: set.revision, files: set.files }, 'policies loaded');
      for (const warning of [...set.warnings, ...lintHosts(set, options.hosts)])
        log.warn({ warning }, 'policies');
    };
    const unrecorded = (error: unknown): void =>
      log.error({ error: messageOf(error) }, 'a change of the policies could not be recorded');
    try {
      await announce(policies.#set);
    } catch (error) {
      watch.close();
      throw error;
    }
    watch.onChange((change) => {
      if (change.kind === 'loaded') {
        // In force even where it cannot be recorded now: an edit may have been made to stop something.
        policies.#use(change.set);
        announce(change.set).catch(unrecorded);
        return;
      }
      onLoad(null);
      const { message } = change.problem;
      log.error({ problem: message }, 'policies not reloaded; the last good set stays');
      const event = policyRejected({ message, kept: policies.revision() }, randomUUID());
      store.commit([{ kind: 'event', event }]).catch(unrecorded);
    });
    return policies;
  }

  #use(set: LoadedPolicies): void {
    this.#set = set;
    this.#governing = new LRUCache({ max: 10_000 });
  }

  /** What governs a repository; `null` where no policy does. */
  govern(repository: Repository, aliases: readonly string[]): Governing | null {
    const known = this.#governing.get(repository);
    if (known !== undefined) return known.governing;
    const governing = govern(this.#set, repository, aliases);
    this.#governing.set(repository, { governing });
    return governing;
  }

  /** The revision of the set in force. */
  revision(): string {
    return this.#set.revision;
  }

  /** The authorities of the set in force. */
  authorities(): LoadedPolicies['authorities'] {
    return this.#set.authorities;
  }

  /** Why the files on disk are not what is in force; `null` where they are. */
  problem(): PolicyProblem | null {
    return this.#watch.problem();
  }

  close(): void {
    this.#watch.close();
  }
}

function eventsOf(set: LoadedPolicies): readonly NewEvent[] {
  const keys = set.authorities.flatMap(({ name, keys: own }) =>
    own.map((key) => keyRegistered({ authority: name, keyId: key.id, keyType: key.type })),
  );
  return [...keys, policyLoaded(set, randomUUID())];
}
