import { LRUCache } from 'lru-cache';
import type { Digest } from '../../oci/digest.ts';
import type { Manifest } from '../../oci/manifest.ts';
import type { Repository } from '../../oci/reference.ts';
import type { Store } from '../../store/store.ts';

/**
 * What contains what, per repository: index to children, image to config and layers. Learned from
 * every manifest that passes, kept in the store. Only links are kept, never a verdict: a child falls
 * with its parent because the parent is judged again.
 */
export class Links {
  readonly #store: Store;
  readonly #known = new LRUCache<string, true>({ max: 20_000 });
  /** Manifests whose admission was noted lately: the note only orders parents, and need not be fresh. */
  readonly #admitted = new LRUCache<string, true>({ max: 20_000, ttl: 3_600_000 });
  // The time limit heals a look that raced with a push; both only ever refuse too much.
  readonly #parents = new LRUCache<string, readonly Digest[]>({ max: 20_000, ttl: 5_000 });

  constructor(store: Store) {
    this.#store = store;
  }

  /** Remembers a manifest's links, durably, before it returns. */
  async learn(repository: Repository, digest: Digest, manifest: Manifest): Promise<void> {
    const key = `${repository}\n${digest}`;
    if (this.#known.has(key)) return;
    const children = linksOf(manifest);
    if (children.length > 0) {
      await this.#store.commit([{ kind: 'edges', repository, parent: digest, children }]);
      this.forget(repository, children);
      this.#admitted.delete(key);
    }
    this.#known.set(key, true);
  }

  /** Forgets what is remembered of these children's parents: the store has just learned a new one. */
  forget(repository: Repository, children: readonly Digest[]): void {
    for (const child of children) this.#parents.delete(`${repository}\n${child}`);
  }

  /**
   * Notes that a manifest was admitted, so that it comes first among the parents of what it contains.
   * Only the order of a search stands on it, so a store that cannot write now changes no decision (T-56).
   */
  async admitted(repository: Repository, parent: Digest): Promise<void> {
    const key = `${repository}\n${parent}`;
    if (this.#admitted.has(key)) return;
    try {
      this.#admitted.set(key, true);
      const children = await this.#store.children(repository, parent);
      if (children.length === 0) return;
      await this.#store.commit([{ kind: 'admitted', repository, parent }]);
      this.forget(repository, children);
    } catch {
      this.#admitted.delete(key);
    }
  }

  /** The manifests known to contain a digest in this repository, those that were admitted first. */
  async parents(repository: Repository, child: Digest): Promise<readonly Digest[]> {
    const key = `${repository}\n${child}`;
    const cached = this.#parents.get(key);
    if (cached !== undefined) return cached;
    const parents = await this.#store.parents(repository, child);
    this.#parents.set(key, parents);
    return parents;
  }
}

/** The digests that a manifest names as its content. */
export function linksOf(manifest: Manifest): readonly Digest[] {
  if (manifest.kind === 'index')
    return [...new Set(manifest.manifests.map((child) => child.digest))];
  return [...new Set([manifest.config.digest, ...manifest.layers.map((layer) => layer.digest)])];
}
