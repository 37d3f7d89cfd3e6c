import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { clientPath } from '../../test/support/clients.ts';
import { mustRun } from '../../test/support/run.ts';

/** What one run of wrk saw. */
export interface Load {
  readonly requestsPerSecond: number;
  /** Milliseconds. */
  readonly p50: number;
  readonly p99: number;
}

const UNITS: Readonly<Record<string, number>> = { us: 0.001, ms: 1, s: 1000 };

/** Loads a URL with one thread and 16 connections. Throws where any answer was not a success: an error is fast. */
export async function wrk(
  url: string,
  seconds: number,
  headers: Readonly<Record<string, string>> = {},
): Promise<Load> {
  return load(url, seconds, headers);
}

/** As {@link wrk}, for paths of one server that are asked in turn. */
export async function wrkInTurn(
  origin: string,
  paths: readonly string[],
  seconds: number,
): Promise<Load> {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-wrk-'));
  const script = join(folder, 'in-turn.lua');
  const list = paths.map((path) => JSON.stringify(path)).join(', ');
  writeFileSync(
    script,
    `local paths, at = { ${list} }, 0
function request()
  at = at % #paths + 1
  return wrk.format("GET", paths[at])
end
`,
  );
  try {
    return await load(`${origin}/`, seconds, {}, ['-s', script]);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function load(
  url: string,
  seconds: number,
  headers: Readonly<Record<string, string>>,
  more: readonly string[] = [],
): Promise<Load> {
  const asked = Object.entries(headers).flatMap(([name, value]) => ['-H', `${name}: ${value}`]);
  const args = ['-t1', '-c16', `-d${seconds}s`, '--latency', ...more, ...asked, url];
  const { stdout } = await mustRun(clientPath('wrk'), args);
  if (/Non-2xx|Socket errors/.test(stdout)) throw new Error(`wrk ${url} met errors:\n${stdout}`);
  const rate = /Requests\/sec:\s+([0-9.]+)/.exec(stdout)?.[1];
  const percentile = (p: number): number => {
    const found = new RegExp(`\\s${p}%\\s+([0-9.]+)(us|ms|s)`).exec(stdout);
    return Number(found?.[1]) * (UNITS[found?.[2] ?? ''] ?? Number.NaN);
  };
  const seen = { requestsPerSecond: Number(rate), p50: percentile(50), p99: percentile(99) };
  if (Object.values(seen).some(Number.isNaN)) throw new Error(`wrk said:\n${stdout}`);
  return seen;
}
