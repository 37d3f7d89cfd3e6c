import { quote } from '../lib/quote.ts';
import type { Result } from '../lib/result.ts';
import { ok, refuse } from '../lib/result.ts';
import { isPath, parseHost } from '../oci/reference.ts';
import type { Pattern } from './policy.ts';

/** The hosts that patterns may speak of. */
export interface PatternHosts {
  /** What `${registry}` stands for: the first configured host, canonical. */
  readonly registryHost: string;
  /** Other names of a configured host, each with the host whose repositories it names. */
  readonly aliases?: ReadonlyMap<string, string>;
}

const ANY = '*';
const ACROSS = '**';
const REGISTRY = '${registry}';

/**
 * Compiles an image pattern: a host matched whole, then path segments; `*` stays within one segment,
 * `**` crosses segments. A lone `**` is every repository of every host. Anything that could match less
 * or more than it looks like (no host, upper case, `a**`) is refused.
 */
export function parsePattern(text: string, hosts: PatternHosts): Result<Pattern> {
  const bad = (why: string): Result<never> =>
    refuse('POLICY_INVALID', `${why}, found ${quote(text, 120)}`);
  if (text === ACROSS) return ok({ text, segments: [ACROSS] });
  if (text.length > 512) return bad('expected an image pattern of at most 512 characters');
  const [first = '', ...path] = text.split('/');
  const host = patternHost(first, hosts);
  if (host === undefined) {
    return bad(
      'expected a pattern that begins with a registry host (registry.example.com/…, ${registry}/…) or is ** alone',
    );
  }
  if (path.length === 0) return bad(`expected a path after the host, such as ${first}/**`);
  for (const segment of path) {
    if (segment === ANY || segment === ACROSS) continue;
    if (segment.includes(ACROSS)) return bad('expected ** as a whole path segment');
    // Any text may stand where a star is, so the rest is checked with a letter in its place.
    if (!isPath(segment.replaceAll(ANY, 'x')) && !isPath(segment.replaceAll(ANY, ''))) {
      return bad(
        'expected path segments of lower-case letters, digits and . _ -, with * for any text',
      );
    }
  }
  // Short Hub names live under library/: the same image must meet the same rule.
  if (host === 'docker.io' && path.length === 1 && path[0] !== ACROSS) path.unshift('library');
  const segments = [host, ...path];
  return ok({ text: segments.join('/'), segments });
}

function patternHost(first: string, hosts: PatternHosts): string | undefined {
  if (first === REGISTRY) return hosts.registryHost;
  const host = parseHost(first);
  if (!host.ok) return undefined;
  const known = hosts.aliases?.get(host.value) ?? host.value;
  // As in image references: a first component without dot or port is no host, unless it is ours.
  const named = /[.:]/.test(first) || host.value === 'localhost' || known === hosts.registryHost;
  return named ? known : undefined;
}

/** True where the pattern matches the canonical repository. Time is bounded by the product of the segment counts. */
export function matchesPattern(pattern: Pattern, repository: string): boolean {
  return matchSegments(pattern.segments, repository.split('/'));
}

function matchSegments(pattern: readonly string[], name: readonly string[]): boolean {
  // A trailing ** stands for at least one segment: `prod/**` is all inside prod, not prod itself.
  const end = pattern.at(-1) === ACROSS ? name.length - 1 : name.length;
  let at = 0;
  let part = 0;
  // Only the last ** is ever taken back: what an earlier one could absorb, the last one can too.
  let across = -1;
  let resume = 0;
  while (at < end) {
    const wanted = pattern[part];
    if (wanted === ACROSS) {
      across = part++;
      resume = at;
    } else if (wanted !== undefined && matchSegment(wanted, name[at] ?? '')) {
      part++;
      at++;
    } else if (across >= 0) {
      part = across + 1;
      at = ++resume;
    } else return false;
  }
  while (pattern[part] === ACROSS) part++;
  return part === pattern.length;
}

/** Matches one segment: the pieces between the stars must follow each other. */
function matchSegment(pattern: string, text: string): boolean {
  const pieces = pattern.split(ANY);
  const first = pieces[0] ?? '';
  const last = pieces.at(-1) ?? '';
  if (pieces.length === 1) return pattern === text;
  if (text.length < first.length + last.length) return false;
  if (!text.startsWith(first) || !text.endsWith(last)) return false;
  let at = first.length;
  const end = text.length - last.length;
  for (const piece of pieces.slice(1, -1)) {
    const found = text.indexOf(piece, at);
    if (found < 0 || found + piece.length > end) return false;
    at = found + piece.length;
  }
  return true;
}

/** Literal before a star within a segment, before `*`, before `**`, before nothing at all. */
function rank(segment: string | undefined): number {
  if (segment === undefined) return 0;
  if (segment === ACROSS) return 1;
  if (segment === ANY) return 2;
  return segment.includes(ANY) ? 3 : 4;
}

/**
 * Which of two patterns is more specific, segment by segment: negative for `a`, positive for `b`,
 * `undefined` where the order does not say. Between two segments with a star inside, the one whose
 * matches are all matches of the other is the more specific.
 */
export function compareSpecificity(a: Pattern, b: Pattern): number | undefined {
  const length = Math.max(a.segments.length, b.segments.length);
  for (let i = 0; i < length; i++) {
    const left = a.segments[i];
    const right = b.segments[i];
    const order = rank(right) - rank(left);
    if (order !== 0) return order;
    if (rank(left) !== 3 || left === right || left === undefined || right === undefined) continue;
    // A star in the text is matched only by a star of the pattern: that is inclusion.
    if (matchSegment(right, left)) return -1;
    return matchSegment(left, right) ? 1 : undefined;
  }
  return undefined;
}

/** True where some repository could match both patterns. */
export function overlap(a: Pattern, b: Pattern): boolean {
  const left = spelledOut(a.segments);
  const right = spelledOut(b.segments);
  return intersect(left, right, ACROSS, (x, y) =>
    intersect(x.split(''), y.split(''), ANY, (c, d) => c === d),
  );
}

const spelledOut = (segments: readonly string[]): readonly string[] =>
  segments.at(-1) === ACROSS ? [...segments.slice(0, -1), ANY, ACROSS] : segments;

/** Whether two patterns over the same alphabet have a common match; `star` stands for any run. */
function intersect(
  a: readonly string[],
  b: readonly string[],
  star: string,
  meet: (x: string, y: string) => boolean,
): boolean {
  // row[j]: the rest of `a` from i and the rest of `b` from j have a common match.
  let below: boolean[] = [];
  for (let i = a.length; i >= 0; i--) {
    const row: boolean[] = [];
    for (let j = b.length; j >= 0; j--) {
      const x = a[i];
      const y = b[j];
      if (x === undefined && y === undefined) row[j] = true;
      else if (x === star) row[j] = below[j] === true || (y !== undefined && row[j + 1] === true);
      else if (y === star) row[j] = row[j + 1] === true || (x !== undefined && below[j] === true);
      else row[j] = x !== undefined && y !== undefined && below[j + 1] === true && meet(x, y);
    }
    below = row;
  }
  return below[0] === true;
}

/** The segments before the first star, joined: what `signedAs` replaces. Empty for a lone `**`. */
export function literalFront(pattern: Pattern): string {
  const star = pattern.segments.findIndex((segment) => segment.includes(ANY));
  return (star < 0 ? pattern.segments : pattern.segments.slice(0, star)).join('/');
}
