import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';

/** What a suite took and gives back at its end: a folder, and servers in the reverse order of their start. */
export interface Scope {
  /** The suite's temporary folder, made at the first call. */
  folder(): string;
  /** Stops the server after the suite; returns it. */
  own<T extends { stop(): Promise<unknown> }>(server: T): T;
}

/** Opens a suite's scope; call it in the body of `describe`, and use it from the hooks on. */
export function suiteScope(): Scope {
  const servers: { stop(): Promise<unknown> }[] = [];
  let folder: string | undefined;
  afterAll(async () => {
    for (const server of servers.reverse()) await server.stop();
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  });
  return {
    folder: () => (folder ??= mkdtempSync(join(tmpdir(), 'countersign-test-'))),
    own: (server) => {
      servers.push(server);
      return server;
    },
  };
}
