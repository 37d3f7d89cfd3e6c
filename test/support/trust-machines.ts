import { join } from 'node:path';
import { afterEach, beforeAll } from 'vitest';
import { suiteScope } from './scope.ts';
import { startTrustServer } from './trust-server.ts';
import type { TestSession } from './trust-session.ts';
import { openSession } from './trust-session.ts';

/** Machines of signers before one trust server, of a clock that a test moves. */
export interface TrustMachines {
  /** Another machine: a key store and a cache of its own. */
  readonly machine: () => TestSession;
  /** Moves the machines' clock, and not the server's, by so many ms until the test is over. */
  readonly moveClock: (ms: number) => void;
}

/** Starts a trust server for a suite; call it in the body of `describe`, and use it from the tests on. */
export function trustMachines(registryHost: string): TrustMachines {
  const scope = suiteScope();
  let url: string;
  let later = 0;
  let machines = 0;
  beforeAll(async () => {
    const folder = join(scope.folder(), 'server');
    const options = { registry: registryHost };
    ({ url } = scope.own(await startTrustServer(folder, 'countersign', options)));
  });
  afterEach(() => {
    later = 0;
  });
  return {
    machine() {
      const folder = join(scope.folder(), `machine-${machines++}`);
      const session = openSession(folder, url, registryHost, () => new Date(Date.now() + later));
      scope.own({ stop: () => session.server.close() });
      return session;
    },
    moveClock(ms) {
      later = ms;
    },
  };
}
