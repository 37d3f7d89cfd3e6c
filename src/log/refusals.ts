import { randomUUID } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { sha256 } from '../lib/bytes.ts';
import { canonicalJson } from '../lib/canonical-json.ts';
import type { Clock } from '../lib/time.ts';
import type { Decision } from '../policy/decision.ts';
import type { Store, Write } from '../store/store.ts';
import { decided, decidedData, exceptionUsed, repeated } from './decision-events.ts';
import { SERVICE } from './event.ts';
import { signatureAccepted, signatureOf } from './signature-events.ts';

/** How long a refusal stands for its repeats, and how often repeats are summed up, in milliseconds. */
const WINDOW = 60_000;
/** Verdicts remembered as recorded. Forgetting one only means that it is recorded again. */
const REMEMBERED = 8192;
/** Records with repeats that wait for the next summary; more are counted without their number. */
const COUNTED = 4096;
/** Pairs of record and count in one summary event: a pair takes under 40 bytes of its 12 KiB. */
const PAIRS = 200;
/** Refusals that one identity gets recorded in a minute; a flood beyond it is counted only, so that nobody can fill the disk by asking. */
const REFUSALS = 1000;

/** Records decisions before they are answered, and counts what repeats. */
export interface Recorder {
  /**
   * Records a decision that was just taken and resolves, once it is durable, with its number in the
   * `dec` log; for a repeat (the same allow verdict again; a refusal of the same identity in the same
   * words within a minute) with the number of the earlier record, which is counted. With a verdict's first
   * record go the signatures and the exception that it stands on.
   *
   * An allow that cannot be recorded is not given: rejects with STORE_UNAVAILABLE or STORAGE_FULL.
   * A refusal stays one: resolves with `null` and is counted as unrecorded.
   */
  decision(decision: Decision, actor: string): Promise<number | null>;
  /** Counts one more answer from a verdict that the caller has cached with its record number. */
  repeat(record: number): void;
  /** Writes what was counted since the last summary. What cannot be written stays counted. Rejects as the store does. */
  flush(): Promise<void>;
  /** Stops the timer and flushes; for shutdown, before the store is closed. */
  close(): Promise<void>;
}

interface Entry {
  readonly record: Promise<number>;
  /** When it was recorded (ms). */
  readonly at: number;
}

/** Makes the recorder of a store. It flushes by itself once a minute until closed. */
export function createRecorder(store: Store, clock: Clock): Recorder {
  const entries = new LRUCache<string, Entry>({ max: REMEMBERED });
  const refusals = new LRUCache<string, { readonly since: number; count: number }>({ max: 4096 });
  let counts = new Map<number, number>();
  let unrecorded = 0;
  let from = clock().getTime();

  /**
   * What makes two decisions the same. Of an allow: the verdict, by what it is keyed by. Of a refusal: all
   * that its record says, since the caller is given the number of the record that says why; who varies
   * what is said (tags are anybody's to invent) uses up the refusals of one identity. A hash, so that
   * what is remembered is bounded in bytes, too (T-67).
   */
  async function keyFor(decision: Decision, actor: string): Promise<string> {
    const { action, repository, tag, digest } = decision.subject;
    if (decision.decision === 'deny') {
      const said = [actor, repository, tag, digest, decidedData(decision)];
      return sha256(canonicalJson(said)).toString('base64');
    }
    const code = decision.reason.code;
    const policy =
      decision.policy === null ? null : [decision.policy.name, decision.policy.revision];
    // Who gave a name is part of the fact; an allowed pull is the verdict's.
    const who = action === 'pull' ? null : actor;
    const trust = await store.trustRevision();
    return canonicalJson([action, repository, tag, digest, code, who, policy, trust]);
  }

  function count(record: number, times: number): void {
    const known = counts.get(record);
    if (known === undefined && counts.size >= COUNTED) unrecorded += times;
    else counts.set(record, (known ?? 0) + times);
  }

  /** True when the identity has used up its refusals of this minute. */
  function flooding(name: string, now: number): boolean {
    // Names after a colon are what a cluster says of its users (`kubernetes:alice`): nobody here
    // vouches for them, so all of them together are one identity.
    const actor = name.split(':', 1)[0] ?? name;
    const seen = refusals.get(actor);
    if (seen === undefined || now - seen.since >= WINDOW || now < seen.since) {
      refusals.set(actor, { since: now, count: 1 });
      return false;
    }
    seen.count++;
    return seen.count > REFUSALS;
  }

  async function write(decision: Decision, actor: string): Promise<number> {
    const writes: Write[] = [];
    for (const finding of decision.findings) {
      const fact = signatureOf(decision.subject, finding);
      if (fact !== null) writes.push({ kind: 'event', event: signatureAccepted(fact, SERVICE) });
    }
    const exception = exceptionUsed(decision);
    if (exception !== null) writes.push({ kind: 'event', event: exception });
    writes.push({ kind: 'event', event: decided(decision, actor, randomUUID()) });
    const { events } = await store.commit(writes);
    const last = events.at(-1);
    if (last === undefined) throw new Error('a commit of events gave none back');
    return last.index;
  }

  async function decide(decision: Decision, actor: string): Promise<number | null> {
    const key = await keyFor(decision, actor);
    const now = clock().getTime();
    const known = entries.get(key);
    const stands =
      known !== undefined &&
      (decision.decision === 'allow' || (now >= known.at && now - known.at < WINDOW));
    if (stands) {
      const record = await known.record;
      count(record, 1);
      return record;
    }
    if (decision.decision === 'deny' && flooding(actor, now)) {
      unrecorded++;
      return null;
    }
    const record = write(decision, actor);
    entries.set(key, { record, at: now });
    try {
      return await record;
    } catch (error) {
      if (entries.get(key)?.record === record) entries.delete(key);
      throw error;
    }
  }

  async function flush(): Promise<void> {
    if (counts.size === 0 && unrecorded === 0) return;
    const to = clock().getTime();
    const taken = { counts, unrecorded, from };
    counts = new Map();
    unrecorded = 0;
    from = to;
    const pairs = [...taken.counts].map(([record, times]) => ({ record, count: times }));
    const writes: Write[] = [];
    for (let at = 0; at === 0 || at < pairs.length; at += PAIRS) {
      const left = at === 0 ? taken.unrecorded : 0;
      const span = { from: taken.from, to };
      const event = repeated(pairs.slice(at, at + PAIRS), span, left, randomUUID());
      writes.push({ kind: 'event', event });
    }
    try {
      await store.commit(writes);
    } catch (error) {
      for (const pair of pairs) count(pair.record, pair.count);
      unrecorded += taken.unrecorded;
      from = taken.from;
      throw error;
    }
  }

  // A store that cannot write says so to every request that needs it; the counts wait here meanwhile.
  const timer = setInterval(() => void flush().catch(() => undefined), WINDOW);
  timer.unref();

  return {
    async decision(decision, actor) {
      try {
        return await decide(decision, actor);
      } catch (error) {
        if (decision.decision === 'allow') throw error;
        unrecorded++;
        return null;
      }
    },
    repeat: (record) => count(record, 1),
    flush,
    async close() {
      clearInterval(timer);
      await flush();
    },
  };
}
