import { LRUCache } from 'lru-cache';
import type { Dispatcher } from 'undici';
import type { Caller } from '../access/caller.ts';

const NAMES = ['ratelimit-limit', 'ratelimit-remaining', 'docker-ratelimit-source'] as const;
const KNOWN_FOR = 60_000;

/**
 * What upstream said last of its limits to each credential, unchanged: manifests are answered from
 * here, and a client that watches its limits must not be told nothing (Docker Hub, "Pull limits").
 */
export class RateLimits {
  readonly #last = new LRUCache<string, Readonly<Record<string, string>>>({
    max: 10_000,
    ttl: KNOWN_FOR,
  });

  /** Learns from the headers of an answer to this caller. */
  learn(caller: Caller, headers: Dispatcher.ResponseData['headers']): void {
    const found: Record<string, string> = {};
    for (const name of NAMES) {
      const value = headers[name];
      if (typeof value === 'string') found[name] = value;
    }
    if (Object.keys(found).length > 0) this.#last.set(caller.credentialKey, found);
  }

  /** The headers that were sent to this caller's credential last, within the minute. */
  of(caller: Caller): Readonly<Record<string, string>> {
    return this.#last.get(caller.credentialKey) ?? {};
  }
}
