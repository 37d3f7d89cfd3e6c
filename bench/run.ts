import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { findClient, missing } from '../test/support/clients.ts';
import { blob } from './measures/blob.ts';
import { image } from './measures/image.ts';
import { manifests } from './measures/manifest.ts';
import { memory } from './measures/memory.ts';
import { notaryPublish } from './measures/notary-publish.ts';
import { notaryRead } from './measures/notary-read.ts';
import { notaryTargets } from './measures/notary-targets.ts';
import { sign } from './measures/sign.ts';
import { start } from './measures/start.ts';
import { store } from './measures/store.ts';
import type { Measure } from './support/measure.ts';
import { keepsBound } from './support/measure.ts';
import type { Report } from './support/report.ts';
import { machine, table } from './support/report.ts';

const MEASURES: readonly Measure[] = [
  start,
  sign,
  ...manifests,
  blob,
  image,
  memory,
  store,
  notaryRead,
  notaryPublish,
  notaryTargets,
];

const { values, positionals } = parseArgs({
  options: { json: { type: 'string' } },
  allowPositionals: true,
});
/** `notary` names `notary-read` too. */
const named = (measure: Measure, name: string): boolean =>
  measure.name === name || measure.name.startsWith(`${name}-`);
const unknown = positionals.filter((name) => !MEASURES.some((m) => named(m, name)));
if (unknown.length > 0) {
  console.error(
    `expected names of measures (${MEASURES.map((m) => m.name).join(', ')}), found ${unknown.join(', ')}`,
  );
  process.exit(2);
}
const chosen = MEASURES.filter(
  (m) => positionals.length === 0 || positionals.some((name) => named(m, name)),
);
const lacking = chosen.flatMap((m) => m.needs.filter((name) => findClient(name) === null));
if (lacking.length > 0) {
  console.error(
    `the benchmarks need ${lacking.map(missing).join(', ')}; .ci/clients installs them`,
  );
  process.exit(3);
}

const clients = Object.fromEntries(
  chosen.flatMap((m) => m.needs).map((name) => [name, findClient(name)?.version ?? '']),
);
const folder = mkdtempSync(join(tmpdir(), 'countersign-bench-'));
const measures: Report['measures'][number][] = [];
try {
  console.log(`${machine()}; Node ${process.versions.node}; ${new Date().toISOString()}`);
  console.log(
    `${Object.entries(clients)
      .map(([name, version]) => `${name} ${version}`)
      .join(', ')}\n`,
  );
  for (const measure of chosen) {
    const own = join(folder, measure.name);
    mkdirSync(own);
    const figures = await measure.run(own);
    console.log(table(measure, figures));
    measures.push({ name: measure.name, about: measure.about, figures });
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
const report: Report = {
  date: new Date().toISOString(),
  machine: machine(),
  node: process.versions.node,
  clients,
  measures,
};
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(report, null, 2)}\n`);
const broken = measures.flatMap((m) => m.figures).filter((f) => keepsBound(f) === false);
process.exitCode = broken.length === 0 ? 0 : 1;
