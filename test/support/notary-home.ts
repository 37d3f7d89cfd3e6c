import { mkdirSync } from 'node:fs';
import { clientPath } from './clients.ts';
import { TRUST_PASSPHRASE } from './docker-home.ts';
import type { Ran, RunOptions } from './run.ts';
import { mustRun, run } from './run.ts';

/** One person's notary client: its keys and its cache are in one folder. */
export interface NotaryHome {
  readonly folder: string;
  /** `notary ARGS`. */
  notary(...args: readonly string[]): Promise<Ran>;
  /** The same with more to say. */
  run(args: readonly string[], options: RunOptions): Promise<Ran>;
  /** Throws what notary said where it exits with anything but 0. */
  must(...args: readonly string[]): Promise<Ran>;
}

/** Makes one in a folder; it trusts the authority whose certificate is in the file `ca`. */
export function notaryHome(
  folder: string,
  server: { readonly url: string; readonly ca: string },
): NotaryHome {
  mkdirSync(folder, { recursive: true });
  const env = Object.fromEntries(
    ['ROOT', 'TARGETS', 'SNAPSHOT', 'DELEGATION'].map((role) => [
      `NOTARY_${role}_PASSPHRASE`,
      TRUST_PASSPHRASE,
    ]),
  );
  const common = ['-s', server.url, '-d', folder, '--tlscacert', server.ca];
  const all = (args: readonly string[]): string[] => [...common, ...args];
  const options = { env: { ...env, HOME: folder }, cwd: folder };
  return {
    folder,
    notary: (...args) => run(clientPath('notary'), all(args), options),
    run: (args, more) =>
      run(clientPath('notary'), all(args), {
        ...options,
        ...more,
        env: { ...options.env, ...more.env },
      }),
    must: (...args) => mustRun(clientPath('notary'), all(args), options),
  };
}
