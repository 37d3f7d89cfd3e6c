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
  const asked = Object.entries(headers).flatMap(([name, value]) => ['-H', `${name}: ${value}`]);
  const args = ['-t1', '-c16', `-d${seconds}s`, '--latency', ...asked, url];
  const { stdout } = await mustRun(clientPath('wrk'), args);
  if (/Non-2xx|Socket errors/.test(stdout)) throw new Error(`wrk ${url} met errors:\n${stdout}`);
  const rate = /Requests\/sec:\s+([0-9.]+)/.exec(stdout)?.[1];
  const percentile = (p: number): number => {
    const found = new RegExp(`\\s${p}%\\s+([0-9.]+)(us|ms|s)`).exec(stdout);
    return Number(found?.[1]) * (UNITS[found?.[2] ?? ''] ?? Number.NaN);
  };
  const load = { requestsPerSecond: Number(rate), p50: percentile(50), p99: percentile(99) };
  if (Object.values(load).some(Number.isNaN)) throw new Error(`wrk said:\n${stdout}`);
  return load;
}
