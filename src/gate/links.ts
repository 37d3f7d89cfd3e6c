import { LRUCache } from 'lru-cache';
import type { Digest } from '../oci/digest.ts';
import type { Manifest } from '../oci/manifest.ts';
import type { Repository } from '../oci/reference.ts';
import type { Store } from '../store/store.ts';

/**
 * What contains what, per repository: index to children, image to config and layers. Learned from
 * every manifest that passes, kept in the store. Only links are kept, never a verdict: a child falls
 * with its parent because the parent is judged again.
 */
export class Links {
  readonly #store: Store;
  readonly #known = new LRUCache<string, true>({ max: 20_000 });
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
    }
    this.#known.set(key, true);
  }

  /** Forgets what is remembered of these children's parents: the store has just learned a new one. */
  forget(repository: Repository, children: readonly Digest[]): void {
    for (const child of children) this.#parents.delete(`${repository}\n${child}`);
  }

  /** The manifests known to contain a digest in this repository. */
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
