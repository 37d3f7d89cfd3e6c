import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';
import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';

/** A server that a suite started as a process of its own. */
export interface Child {
  readonly stdout: () => string;
  readonly stderr: () => string;
  /** False once it has ended. */
  readonly running: () => boolean;
  /** Asks it to end (SIGTERM), waits, and returns its exit status; kills it where it does not end in time. */
  stop(): Promise<number>;
  /** kill -9, and waits until it is gone. */
  kill(): Promise<void>;
  /** Ctrl-C (SIGINT), and waits until it is gone. */
  interrupt(): Promise<void>;
}

/** Starts a long-running program; nothing is awaited yet. */
export function startChild(
  command: string,
  args: readonly string[],
  options: {
    readonly env?: Readonly<Record<string, string | undefined>>;
    readonly cwd?: string;
  } = {},
): Child {
  const child = spawn(command, args, {
    env: { ...process.env, ...options.env },
    cwd: options.cwd,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const stdout = keepEnd(child.stdout);
  const stderr = keepEnd(child.stderr);
  let failure = '';
  let ended = false;
  const done = new Promise<number>((resolve) => {
    child.on('error', (error) => {
      ended = true;
      failure = `${command} could not be started: ${error.message}\n`;
      resolve(-1);
    });
    child.on('close', (code) => {
      ended = true;
      resolve(code ?? -1);
    });
  });
  endWithProcess(child);
  return {
    stdout,
    stderr: () => stderr() + failure,
    running: () => !ended,
    stop: async () => {
      child.kill('SIGTERM');
      const timer = setTimeout(() => child.kill('SIGKILL'), 20_000);
      const code = await done;
      clearTimeout(timer);
      return code;
    },
    kill: async () => {
      child.kill('SIGKILL');
      await done;
    },
    interrupt: async () => {
      child.kill('SIGINT');
      await done;
    },
  };
}

/** What is kept of what a server says, characters: a load of millions of requests logs more than a string can hold. */
const KEPT = 64 * 1024 * 1024;

/** Reads a stream, and returns what tells its text so far: the last of it, where it is longer than is kept. */
function keepEnd(stream: Readable): () => string {
  const texts: string[] = [];
  let size = 0;
  stream.setEncoding('utf8').on('data', (text: string) => {
    texts.push(text);
    size += text.length;
    while (size > KEPT) size -= texts.shift()?.length ?? size;
  });
  return () => texts.join('');
}

/** Polls until `ready` gives a value; throws with what the server said where it ends or takes too long. */
export async function waitFor<T>(
  child: Child,
  what: string,
  ready: () => Promise<T | undefined> | T | undefined,
  timeout = 30_000,
): Promise<T> {
  const end = performance.now() + timeout;
  for (;;) {
    const value = await ready();
    if (value !== undefined) return value;
    if (!child.running() || performance.now() > end) {
      const state = child.running() ? 'not ready in time' : 'ended';
      throw new Error(`${what}: ${state}; it said:\n${child.stdout()}${child.stderr()}`);
    }
    await sleep(25);
  }
}

/** Below the range from which systems take the ports of outgoing connections: nothing else is given one of these. */
const PORTS = { from: 12_000, to: 32_000 } as const;

/** A TCP port of 127.0.0.1 that is free at this moment, and that nobody gets by chance before it is used. */
export async function freePort(): Promise<number> {
  for (;;) {
    const server = createServer();
    const port = randomInt(PORTS.from, PORTS.to);
    const free = await new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false));
      server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
    });
    if (free) return port;
  }
}

// A test process that is ended early takes its servers along, those too that a test which ran out of
// time still starts; vitest ends its workers with SIGTERM.
const alive = new Set<ChildProcess>();
const endAll = (): void => {
  for (const child of alive) child.kill('SIGKILL');
};
process.once('exit', endAll);
process.once('SIGTERM', () => {
  endAll();
  process.exit(143);
});

function endWithProcess(child: ChildProcess): void {
  alive.add(child);
  child.once('close', () => alive.delete(child));
}
