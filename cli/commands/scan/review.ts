import { open, stat } from 'node:fs/promises';
import { CountersignError, messageOf } from '../../../src/lib/errors.ts';
import { readBoundedFile } from '../../../src/lib/file.ts';
import { decodeUtf8 } from '../../../src/lib/bytes.ts';
import { unwrap } from '../../../src/lib/result.ts';
import type { Digest } from '../../../src/oci/digest.ts';
import type { Reference } from '../../../src/oci/reference.ts';
import { formatReference, parseReference } from '../../../src/oci/reference.ts';
import { printable } from '../../../src/oci/refusal.ts';
import type { Tally } from './tally.ts';
import type { Judged } from './verdict.ts';
import { reasonOf } from './verdict.ts';

const MAX_BYTES = 256 * 1024 * 1024;
const SHOWN = 10;

/** What a signature mends; the rest stands in the list as a comment. */
const MENDED = ['NOT_TRUSTED', 'WARNED'];

/** An image that was reviewed: always with the digest that the reviewer saw. */
export type Reviewed = Reference & { readonly digest: Digest };

/** Throws USAGE where the file is there already: a review is never overwritten. */
export async function expectNoFile(file: string): Promise<void> {
  if ((await stat(file).catch(() => null)) === null) return;
  throw new CountersignError(
    'USAGE',
    `expected no file ${file} yet, found one; remove it or write to another`,
  );
}

/** Writes what would be refused, for a person to review; returns how many images a signature would mend. */
export async function writeReview(file: string, tally: Tally, now: Date): Promise<number> {
  const lines = tally.listed.map(lineOf);
  const count = lines.filter((line) => !line.startsWith('#')).length;
  const text = [
    `# countersign scan, ${now.toISOString()}: ${count} images that a signature would let through.`,
    '# Delete the lines of what is not to be signed, then: countersign scan --sign FILE --key NAME',
    ...lines,
    '',
  ].join('\n');
  try {
    await using handle = await open(file, 'wx', 0o644);
    await handle.writeFile(text);
    await handle.sync();
  } catch (error) {
    throw new CountersignError('USAGE', `could not write ${file}: ${messageOf(error)}`, {
      cause: error,
    });
  }
  return count;
}

function lineOf(judged: Judged): string {
  const { image, digest, code } = judged;
  const reason = printable(reasonOf(judged));
  return digest !== null && judged.verdict !== 'unknown' && MENDED.includes(code)
    ? `${image}@${digest}  # ${reason}`
    : `# no signature mends ${image}: ${reason}`;
}

/**
 * Reads a reviewed list: one `HOST/NAME:TAG@sha256:…` a line, `#` begins a comment. Throws USAGE with
 * the numbers of the lines that are none, so that nothing is signed by half a list.
 */
export async function readReview(file: string): Promise<readonly Reviewed[]> {
  const { bytes } = unwrap(await readBoundedFile(file, MAX_BYTES, 'USAGE'));
  const text = decodeUtf8(bytes);
  if (text === undefined)
    throw new CountersignError('USAGE', `expected ${file} to be text, found something else`);
  const images = new Map<string, Reviewed>();
  const bad: string[] = [];
  for (const [at, line] of text.split(/\r?\n/).entries()) {
    const entry = line.replace(/(?:^|\s)#.*$/, '').trim();
    if (entry === '') continue;
    const parsed = parseReference(entry);
    if (!parsed.ok) bad.push(`line ${at + 1}: ${parsed.refusal.message}`);
    else if (parsed.value.digest === undefined)
      bad.push(
        `line ${at + 1}: expected …@sha256:…, found no digest in ${printable(entry).slice(0, 120)}`,
      );
    else
      images.set(formatReference(parsed.value), { ...parsed.value, digest: parsed.value.digest });
  }
  if (bad.length === 0) return [...images.values()];
  const more = bad.length > SHOWN ? [`and ${bad.length - SHOWN} lines more`] : [];
  throw new CountersignError(
    'USAGE',
    [
      `nothing was signed: ${file} has lines that are no images`,
      ...bad.slice(0, SHOWN),
      ...more,
    ].join('\n  '),
  );
}
