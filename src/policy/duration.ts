import { quote } from '../lib/quote.ts';
import { parseDuration } from '../lib/time.ts';
import type { YamlNode } from '../lib/yaml-node.ts';

/** Reads a duration within bounds (milliseconds); collects a problem and returns `undefined` for anything else. */
export function readDuration(
  node: YamlNode | undefined,
  [least, most]: readonly [number, number],
): number | undefined {
  const text = node?.text();
  if (node === undefined || text === undefined) return undefined;
  const duration = parseDuration(text);
  if (duration !== undefined && duration >= least && duration <= most) return duration;
  const bound = `from ${formatDuration(least)} to ${formatDuration(most)}`;
  return node.fail(`expected a duration ${bound}, such as 24h or 90d, found ${quote(text)}`);
}

const UNITS = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1000],
] as const;

/** A duration as a person writes it: `90d`, `36h`, `0s`. */
export function formatDuration(milliseconds: number): string {
  for (const [unit, size] of UNITS) {
    if (milliseconds >= size && milliseconds % size === 0) return `${milliseconds / size}${unit}`;
  }
  return milliseconds === 0 ? '0s' : `${milliseconds}ms`;
}
