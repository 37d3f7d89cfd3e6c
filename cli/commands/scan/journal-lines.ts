import { stat } from 'node:fs/promises';
import { CountersignError } from '../../../src/lib/errors.ts';
import { readBoundedFile } from '../../../src/lib/file.ts';
import type { JsonObject } from '../../../src/lib/json.ts';
import { isObject, parseJson } from '../../../src/lib/json.ts';
import { unwrap } from '../../../src/lib/result.ts';
import { SCAN_COUNTS } from '../../../src/log/scan-event.ts';
import { isDigest } from '../../../src/oci/digest.ts';
import { textOf } from '../../api/answer.ts';
import type { Judged, Verdict } from './verdict.ts';

const VERSION = 1;
const MAX_BYTES = 512 * 1024 * 1024;
const LINE_BYTES = 16 * 1024;
const NEWLINE = 0x0a;
/** Tags move: what was judged longer ago is judged again. */
const GOOD_FOR = 24 * 60 * 60 * 1000;

/** A journal as it was found. */
export interface FoundJournal {
  readonly question: string;
  /** True where it was begun too long ago to go on with. */
  readonly stale: boolean;
  readonly judged: ReadonlyMap<string, Judged>;
  /** Where the last whole line ends: what a crash tore off comes after it. */
  readonly wholeBytes: number;
}

/** The first line: that it is a journal, and of what. */
export function headerLine(question: string, begun: Date): string {
  return `${JSON.stringify({ countersign: 'scan', version: VERSION, begun: begun.toISOString(), question })}\n`;
}

/** One judgement. */
export function judgedLine({
  image,
  digest,
  verdict,
  policy,
  code,
  message,
  basis,
}: Judged): string {
  return `${JSON.stringify({ image, digest, verdict, policy, code, message, basis })}\n`;
}

/** Reads a journal; `null` where there is no such file, or an empty one. Throws USAGE for what is none. */
export async function readJournal(file: string, now: Date): Promise<FoundJournal | null> {
  if ((await stat(file).catch(() => null)) === null) return null;
  const { bytes } = unwrap(await readBoundedFile(file, MAX_BYTES, 'USAGE'));
  const lines = wholeLines(bytes);
  const [first, ...rest] = lines;
  if (first === undefined && bytes.length === 0) return null;
  const header = first === undefined ? null : objectIn(first.bytes);
  if (header?.['countersign'] !== 'scan' || header['version'] !== VERSION) {
    throw new CountersignError(
      'USAGE',
      `expected ${file} to be the journal of a scan, found another file, which stays as it is; name another with --journal`,
    );
  }
  const judged = new Map<string, Judged>();
  let wholeBytes = first?.end ?? 0;
  for (const [at, line] of rest.entries()) {
    const read = judgedIn(line.bytes);
    if (read !== null) judged.set(read.image, read);
    else if (at === rest.length - 1) break;
    else {
      throw new CountersignError(
        'USAGE',
        `expected a judgement in line ${at + 2} of ${file}, found something else; remove the file to begin anew`,
      );
    }
    wholeBytes = line.end;
  }
  const age = now.getTime() - Date.parse(textOf(header['begun']));
  // Also where the time is none, or lies ahead.
  const stale = !(age >= 0 && age < GOOD_FOR);
  return { question: textOf(header['question']), stale, judged, wholeBytes };
}

interface Line {
  readonly bytes: Buffer;
  /** Where the next one begins. */
  readonly end: number;
}

function wholeLines(bytes: Buffer): readonly Line[] {
  const lines: Line[] = [];
  let start = 0;
  for (let end = bytes.indexOf(NEWLINE); end >= 0; end = bytes.indexOf(NEWLINE, start)) {
    lines.push({ bytes: bytes.subarray(start, end), end: end + 1 });
    start = end + 1;
  }
  return lines;
}

function objectIn(line: Buffer): JsonObject | null {
  const parsed = parseJson(line, { maxBytes: LINE_BYTES });
  return parsed.ok && isObject(parsed.value) ? parsed.value : null;
}

function judgedIn(line: Buffer): Judged | null {
  const found = objectIn(line);
  if (found === null) return null;
  const { image, digest, verdict, policy, code, message, basis } = found;
  const known = SCAN_COUNTS.find((one): one is Verdict => one === verdict);
  if (typeof image !== 'string' || known === undefined) return null;
  if (digest !== null && !(typeof digest === 'string' && isDigest(digest))) return null;
  if (policy !== null && typeof policy !== 'string') return null;
  if (typeof code !== 'string' || typeof message !== 'string' || typeof basis !== 'string')
    return null;
  return {
    image,
    digest: digest as Judged['digest'],
    verdict: known,
    policy,
    code,
    message,
    basis,
  };
}
