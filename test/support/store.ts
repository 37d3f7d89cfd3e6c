import { createHash, randomUUID } from 'node:crypto';
import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { canonicalJson } from '../../src/lib/canonical-json.ts';
import { parseJson } from '../../src/lib/json.ts';
import { unwrap } from '../../src/lib/result.ts';
import type { Digest } from '../../src/oci/digest.ts';
import { digestOf } from '../../src/oci/digest.ts';
import type { Repository } from '../../src/oci/reference.ts';
import { parseRepository } from '../../src/oci/reference.ts';
import { openStore } from '../../src/store/open.ts';
import type { Hold, NewEvent, Store, StoredEvent, Write } from '../../src/store/store.ts';
import { suiteScope } from './scope.ts';

/** A repository by its name. */
export const repo = (name: string): Repository => unwrap(parseRepository(`reg.test/${name}`));

/** The digest of a text. */
export const digestFor = (text: string): Digest => digestOf(Buffer.from(text));

/** An event that differs from every other unless told what it is. */
export function newEvent(over: Partial<NewEvent> & { readonly key?: string } = {}): NewEvent {
  const { key = randomUUID(), ...rest } = over;
  return {
    log: 'sig',
    type: 'signature',
    repository: repo('app'),
    tag: null,
    digest: digestFor('app'),
    actor: 'alice',
    data: { n: 1 },
    idempotencyKey: createHash('sha256').update(key).digest(),
    ...rest,
  };
}

/** The write of {@link newEvent}. */
export const eventWrite = (over: Parameters<typeof newEvent>[0] = {}): Write => ({
  kind: 'event',
  event: newEvent(over),
});

/** A push that waits. */
export function newHold(over: Partial<Hold> = {}): Omit<Hold, 'id' | 'state'> {
  const manifest = Buffer.from('{"schemaVersion":2}');
  return {
    repository: repo('app'),
    tag: '1.0',
    digest: digestOf(manifest),
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    manifest,
    pushedBy: 'ci',
    pushedAt: 1_700_000_000_000,
    expiresAt: 1_700_000_600_000,
    ...over,
  };
}

/** Opens a store under a clock that stands still unless told. */
export function openAt(
  data: string,
  clock: () => Date = () => new Date('2026-01-02T03:04:05Z'),
  engine = 'sqlite',
): Promise<Store> {
  return openStore({ data, store: engine, clock });
}

/** Every event of a store, oldest first. */
export async function allEvents(store: Store): Promise<StoredEvent[]> {
  const all: StoredEvent[] = [];
  for (let before = Number.MAX_SAFE_INTEGER; ;) {
    const page = await store.events({ limit: 1000, before });
    all.push(...page);
    const last = page.at(-1);
    if (last === undefined) return all.reverse();
    before = last.sequence;
  }
}

/** Verifies the whole record, as after every scenario: dense, ordered, canonical, counted. Returns it. */
export async function checkLog(store: Store): Promise<StoredEvent[]> {
  const events = await allEvents(store);
  const next = { sig: 0, dec: 0 };
  let time = 0;
  events.forEach((event, at) => {
    expect(event.sequence).toBe(at + 1);
    expect(event.index).toBe(next[event.log]++);
    expect(event.time).toBeGreaterThanOrEqual(time);
    time = event.time;
    const { log, index, type, repository, tag, digest, actor, data } = event;
    const envelope = { v: 1, log, index, time, type, repository, tag, digest, actor, data };
    expect(Buffer.from(event.body).toString()).toBe(canonicalJson(envelope));
    expect(unwrap(parseJson(event.body, { maxBytes: 16 * 1024 }))).toEqual(envelope);
  });
  expect(await store.counts()).toEqual(next);
  return events;
}

/** What a suite of the contract works with; call it in the body of `describe`. */
export interface StoreSuite {
  /** A new data folder. */
  readonly folder: () => string;
  /** Runs a scenario on a new store, and verifies its whole record afterwards. */
  readonly withStore: (
    scenario: (store: Store) => Promise<void>,
    clock?: () => Date,
  ) => Promise<void>;
}

/** The suite for one engine. */
export function storeSuite(engine: string): StoreSuite {
  const scope = suiteScope();
  const folder = (): string => mkdtempSync(join(scope.folder(), 'store-'));
  return {
    folder,
    async withStore(scenario, clock) {
      const store = await openAt(folder(), clock, engine);
      try {
        await scenario(store);
        await checkLog(store);
      } finally {
        await store.close();
      }
    },
  };
}

/** Matches an error by its code. */
export const refusal = (code: string): object => expect.objectContaining({ code }) as object;
