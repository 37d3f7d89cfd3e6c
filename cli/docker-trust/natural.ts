const CHUNK = /\d+|\D+/g;

/**
 * Compares texts as docker sorts tags: runs of digits by their value, so that `1.10` comes behind `1.9`;
 * of equal values the one with fewer leading zeros first.
 */
export function compareNatural(a: string, b: string): number {
  const left = a.match(CHUNK) ?? [];
  const right = b.match(CHUNK) ?? [];
  for (const [at, one] of left.entries()) {
    const other = right[at];
    if (other === undefined) return 1;
    const difference = compareChunks(one, other);
    if (difference !== 0) return difference;
  }
  return left.length - right.length;
}

function compareChunks(a: string, b: string): number {
  if (/^\d/.test(a) && /^\d/.test(b)) {
    const [x, y] = [a.replace(/^0+/, ''), b.replace(/^0+/, '')];
    if (x.length !== y.length) return x.length - y.length;
    if (x !== y) return x < y ? -1 : 1;
    return a.length - b.length;
  }
  return a === b ? 0 : a < b ? -1 : 1;
}
