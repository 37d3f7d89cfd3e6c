import {
  closeSync,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { sha256Hex } from '../lib/bytes.ts';
import { canonicalJson } from '../lib/canonical-json.ts';
import { CountersignError } from '../lib/errors.ts';
import type { Json } from '../lib/json.ts';
import { isCount, isObject, parseJson } from '../lib/json.ts';
import type { LogName } from './store.ts';

/** Where one log stands: how many events, and the leaf hash of the newest (hex; empty for none). */
export interface LogMark {
  readonly size: number;
  readonly head: string;
}

/** Where the changefeed stands: its last id, and the hash of that line (hex; empty for none). */
export interface FeedMark {
  readonly last: number;
  readonly head: string;
}

/**
 * What the store had reached when it last answered. Kept in a small file beside the database, never
 * inside it, so that a database restored from an old copy is noticed: it lacks what this file has
 * seen, such as the revocation of a key.
 */
export interface HighWater {
  /** The database's own random name. */
  readonly store: string;
  readonly trustRevision: number;
  readonly logs: Readonly<Record<LogName, LogMark>>;
  /** Trust data only change with the feed: an old copy would bring old signatures back. */
  readonly feed: FeedMark;
}

const FORMAT = 2;
/** Before there was a feed. */
const WITHOUT_FEED = 1;
const FILE = 'high-water.json';
const MAX_BYTES = 4096;

const fileIn = (data: string): string => join(data, FILE);

function encode(mark: HighWater): string {
  const { store, trustRevision, logs, feed } = mark;
  const content = {
    format: FORMAT,
    store,
    trustRevision,
    logs: { sig: { ...logs.sig }, dec: { ...logs.dec } },
    feed: { ...feed },
  };
  return `${canonicalJson({ ...content, check: sha256Hex(canonicalJson(content)) })}\n`;
}

function logMark(value: Json | undefined): LogMark | undefined {
  if (!isObject(value) || !isCount(value['size']) || typeof value['head'] !== 'string')
    return undefined;
  return { size: value['size'], head: value['head'] };
}

function feedMark(format: Json | undefined, value: Json | undefined): FeedMark | undefined {
  if (format === WITHOUT_FEED) return { last: 0, head: '' };
  if (format !== FORMAT || !isObject(value)) return undefined;
  if (!isCount(value['last']) || typeof value['head'] !== 'string') return undefined;
  return { last: value['last'], head: value['head'] };
}

function decode(bytes: Uint8Array): HighWater | undefined {
  const parsed = parseJson(bytes, { maxBytes: MAX_BYTES });
  if (!parsed.ok || !isObject(parsed.value)) return undefined;
  const { check, ...content } = parsed.value;
  if (check !== sha256Hex(canonicalJson(content))) return undefined;
  const feed = feedMark(content['format'], content['feed']);
  const { store, trustRevision, logs } = content;
  if (typeof store !== 'string' || !isCount(trustRevision) || !isObject(logs)) return undefined;
  const sig = logMark(logs['sig']);
  const dec = logMark(logs['dec']);
  if (sig === undefined || dec === undefined || feed === undefined) return undefined;
  return { store, trustRevision, logs: { sig, dec }, feed };
}

/** The mark in the data folder: `null` where there is no file, `'unreadable'` where it is damaged. Throws STORE_UNAVAILABLE when the file is there and cannot be opened. */
export function readHighWater(data: string): HighWater | 'unreadable' | null {
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(fileIn(data));
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null;
    throw new CountersignError(
      'STORE_UNAVAILABLE',
      `cannot read ${fileIn(data)}; give the service the right to read it`,
      { cause: error },
    );
  }
  return decode(bytes) ?? 'unreadable';
}

/**
 * Writes the mark beside the present one and syncs it; the returned function puts it in place, durably.
 * In two steps so that a full disk is met before the database commits, when nothing has changed yet;
 * a mark must never be ahead of the database. Throws the system's own errors.
 */
export function prepareHighWater(data: string, mark: HighWater): () => void {
  const next = `${fileIn(data)}.next`;
  try {
    const file = openSync(next, 'w', 0o600);
    try {
      writeSync(file, encode(mark));
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
  } catch (error) {
    rmSync(next, { force: true });
    throw error;
  }
  return () => {
    renameSync(next, fileIn(data));
    syncFolder(data);
  };
}

/** Makes the names in a folder durable. */
export function syncFolder(folder: string): void {
  const handle = openSync(folder, 'r');
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

/**
 * How the database falls behind the mark, as a sentence; `null` where it does not. A database that is
 * ahead is fine: the service died between the commit and the file. `headAt` gives the leaf hash (hex)
 * of an event of the database (of the feed: the hash of a line by its id), so that another history of
 * the same length is noticed too.
 */
export function behind(
  database: HighWater,
  mark: HighWater | 'unreadable' | null,
  headAt: (log: LogName | 'feed', index: number) => string,
): string | null {
  const { sig, dec } = database.logs;
  if (mark === null) {
    const empty =
      sig.size === 0 && dec.size === 0 && database.trustRevision === 0 && database.feed.last === 0;
    return empty
      ? null
      : `${FILE} is missing, so nothing tells whether the database is an old copy`;
  }
  if (mark === 'unreadable')
    return `${FILE} is damaged, so nothing tells whether the database is an old copy`;
  if (mark.store !== database.store) return `the database is not the one that ${FILE} belongs to`;
  for (const log of ['sig', 'dec'] as const) {
    const seen = mark.logs[log];
    const size = database.logs[log].size;
    if (size < seen.size) return `log ${log} has ${size} events, ${FILE} has seen ${seen.size}`;
    if (seen.size > 0 && headAt(log, seen.size - 1) !== seen.head)
      return `event ${seen.size - 1} of log ${log} is not the one that ${FILE} has seen`;
  }
  const { last, head } = mark.feed;
  if (database.feed.last < last)
    return `the changefeed ends at ${database.feed.last}, ${FILE} has seen ${last}`;
  if (last > 0 && headAt('feed', last) !== head)
    return `change ${last} of the feed is not the one that ${FILE} has seen`;
  if (database.trustRevision < mark.trustRevision)
    return `the trust revision is ${database.trustRevision}, ${FILE} has seen ${mark.trustRevision}`;
  return null;
}
