import { join } from 'node:path';
import type { Service, Site } from './countersign.ts';
import { createSite, startService } from './countersign.ts';
import type { OneSigner } from './one-signer.ts';
import { oneSigner } from './one-signer.ts';
import type { Ran } from './run.ts';
import type { Scope } from './scope.ts';

/** A service over its embedded registry whose policies hold unsigned pushes until `release-bot` signs. */
export interface Holding {
  readonly site: Site;
  readonly service: Service;
  /** `HOST/name`. */
  at(name: string): string;
  /** Runs `countersign`. */
  cli(...args: readonly string[]): Promise<Ran>;
  /** Runs `countersign --output json` and returns what it printed. */
  json(...args: readonly string[]): Promise<{ readonly code: number; readonly data: unknown }>;
}

/** Starts it, with the keys `release-bot` (asked for) and `intern` (unknown to the policy). */
export async function startHolding(scope: Scope, policy: OneSigner = {}): Promise<Holding> {
  const site = createSite(join(scope.folder(), 'site'));
  await site.key('release-bot');
  await site.key('intern');
  site.policy(oneSigner({ push: 'hold', ...policy }));
  const service = scope.own(await startService(site));
  return {
    site,
    service,
    at: (name) => `${service.host}/${name}`,
    cli: (...args) => site.cli(args),
    json: async (...args) => {
      const { code, stdout } = await site.cli(['--output', 'json', ...args]);
      return { code, data: JSON.parse(stdout) as unknown };
    },
  };
}
