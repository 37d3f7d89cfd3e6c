/** Bytes `first` to `last`, both included. */
export interface ContentRange {
  readonly first: number;
  readonly last: number;
}

/** Reads the Content-Range of a chunk, `<first>-<last>` (distribution-spec 1.1, "Pushing a blob in chunks"); undefined where it is not one. */
export function parseContentRange(header: string): ContentRange | undefined {
  const match = /^([0-9]{1,15})-([0-9]{1,15})$/.exec(header);
  if (match === null) return undefined;
  const [first, last] = [Number(match[1]), Number(match[2])];
  return first <= last ? { first, last } : undefined;
}

/**
 * Reads a Range header for content of `size` bytes (RFC 9110 section 14): the part asked for, `whole`
 * where the header is absent or of a kind that may be ignored (another unit, several ranges), or
 * `unsatisfiable`, which is 416.
 */
export function parseRange(
  header: string | undefined,
  size: number,
): ContentRange | 'whole' | 'unsatisfiable' {
  if (header === undefined || !header.startsWith('bytes=') || header.includes(',')) return 'whole';
  const match = /^bytes=([0-9]{0,15})-([0-9]{0,15})$/.exec(header.replaceAll(' ', ''));
  const [first, last] = [match?.[1] ?? '', match?.[2] ?? ''];
  if (first === '' && last === '') return 'unsatisfiable';
  if (first === '') {
    const length = Math.min(Number(last), size);
    return length === 0 ? 'unsatisfiable' : { first: size - length, last: size - 1 };
  }
  const from = Number(first);
  const to = last === '' ? size - 1 : Math.min(Number(last), size - 1);
  return from > to ? 'unsatisfiable' : { first: from, last: to };
}
