import type { ClientName } from '../../test/support/clients.ts';

/** One number that was measured, with what it is held against. */
export interface Figure {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** The bound that it must keep, where it has one. */
  readonly bound?: { readonly at: 'least' | 'most'; readonly value: number };
  /** Every run behind the median, in the order of the runs. */
  readonly samples?: readonly number[];
}

/** One file of `measures/`. */
export interface Measure {
  readonly name: string;
  /** What is measured and how, in one sentence. */
  readonly about: string;
  readonly needs: readonly ClientName[];
  /** Measures, with scratch files under `folder` only; leaves nothing running. */
  run(folder: string): Promise<readonly Figure[]>;
}

/** The middle of the samples (the mean of the middle two for an even count). Throws without samples. */
export function median(samples: readonly number[]): number {
  const sorted = samples.toSorted((a, b) => a - b);
  const upper = sorted[Math.floor(sorted.length / 2)];
  const lower = sorted[Math.ceil(sorted.length / 2) - 1];
  if (upper === undefined || lower === undefined) throw new Error('expected at least one sample');
  return (upper + lower) / 2;
}

/** Whether the figure keeps its bound; `undefined` without one. */
export function keepsBound(figure: Figure): boolean | undefined {
  if (figure.bound === undefined) return undefined;
  const { at, value } = figure.bound;
  return at === 'least' ? figure.value >= value : figure.value <= value;
}

/** Runs the sides in turn, `rounds` times over, so that a slow spell of the machine meets all of them. */
export async function alternate<T>(
  rounds: number,
  sides: readonly ((round: number) => Promise<T>)[],
): Promise<T[][]> {
  const results: T[][] = sides.map(() => []);
  for (let round = 0; round < rounds; round++) {
    for (const [index, side] of sides.entries()) results[index]?.push(await side(round));
  }
  return results;
}

/** Milliseconds that the work took. */
export async function timed(work: () => Promise<unknown>): Promise<number> {
  const begin = performance.now();
  await work();
  return performance.now() - begin;
}
