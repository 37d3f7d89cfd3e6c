import { arch, cpus, release, totalmem, type } from 'node:os';
import type { Figure, Measure } from './measure.ts';
import { keepsBound } from './measure.ts';

/** What one run of the benchmarks found. */
export interface Report {
  readonly date: string;
  readonly machine: string;
  readonly node: string;
  readonly clients: Readonly<Record<string, string>>;
  readonly measures: readonly {
    readonly name: string;
    readonly about: string;
    readonly figures: readonly Figure[];
  }[];
}

/** The machine, in one line. */
export function machine(): string {
  const all = cpus();
  const memory = Math.round(totalmem() / 2 ** 30);
  return `${all.length} × ${all[0]?.model.trim() ?? arch()}, ${memory} GiB, ${type()} ${release()}`;
}

const rounded = (value: number): string =>
  value >= 100 ? String(Math.round(value)) : value.toPrecision(3);

/** A Markdown table of one measure's figures, as docs/performance.md shows it. */
export function table(measure: Pick<Measure, 'about'>, figures: readonly Figure[]): string {
  const rows = figures.map((figure) => {
    const bound = figure.bound === undefined ? '' : `at ${figure.bound.at} ${figure.bound.value}`;
    const verdict = { true: 'kept', false: 'NOT KEPT', undefined: '' }[String(keepsBound(figure))];
    const unit = figure.unit === '' ? '' : ` ${figure.unit}`;
    return `| ${figure.name} | ${rounded(figure.value)}${unit} | ${bound} | ${verdict ?? ''} |`;
  });
  return [
    measure.about,
    '',
    '| figure | median | bound | |',
    '| --- | --- | --- | --- |',
    ...rows,
    '',
  ].join('\n');
}
