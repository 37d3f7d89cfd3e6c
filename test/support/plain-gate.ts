import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { hashSync } from 'bcryptjs';
import { afterEach } from 'vitest';
import { startService } from '../../src/app.ts';
import { loadConfig } from '../../src/config/load.ts';
import { unwrap } from '../../src/lib/result.ts';
import { PASSWORD } from './attacked.ts';
import { freePort } from './child.ts';
import type { Called, CallOptions } from './http-call.ts';
import { call } from './http-call.ts';

/** A gate whose policies ask for nothing: for what happens between it and its registries. */
export interface PlainGate {
  /** Sends a request under the name of one of its registries. */
  call(host: string, method: string, target: string, options?: CallOptions): Promise<Called>;
  /** What it logged, one JSON text a line. */
  logs(): string;
}

/**
 * Opens such gates for a suite; call it in its body. `registries` is the list of the configuration
 * with names and paths below the folder that `files` are written to; with `access`, the identity `ci`
 * exists. They end with their test.
 */
export function plainGates(): (options: {
  readonly registries: string;
  readonly files?: Readonly<Record<string, string>>;
  readonly access?: string;
}) => Promise<PlainGate> {
  const undo: (() => unknown)[] = [];
  afterEach(async () => {
    for (const one of undo.splice(0).toReversed()) await one();
  });
  return async ({ registries, files = {}, access }) => {
    const folder = mkdtempSync(join(tmpdir(), 'countersign-test-'));
    undo.push(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));
    const listen = `127.0.0.1:${await freePort()}`;
    const identities =
      access === undefined ? '' : `identities: { htpasswd: users }\naccess:\n${access}`;
    const all = {
      'policies/all.yaml': 'version: 1\npolicies: [{ name: all, images: ["**"], mode: off }]\n',
      users: `ci:${hashSync(PASSWORD, 4)}\n`,
      secret: `${PASSWORD}\n`,
      'countersign.yaml': `listen: ${listen}\ntls: off\nregistries:\n${registries}\n${identities}`,
      ...files,
    };
    for (const [name, text] of Object.entries(all)) {
      mkdirSync(dirname(join(folder, name)), { recursive: true });
      writeFileSync(join(folder, name), text, { mode: 0o600 });
    }
    const lines: string[] = [];
    const keep = (fields: object, message: string): void => {
      lines.push(JSON.stringify({ message, ...fields }));
    };
    const config = unwrap(await loadConfig({ flags: {}, env: {}, cwd: folder }));
    const log = { info: keep, warn: keep, error: keep };
    const service = await startService(config, { log, version: '0.0.0' });
    undo.push(() => service.close());
    return {
      call: (host, method, target, options = {}) =>
        call(`http://${listen}`, method, target, {
          ...options,
          headers: { ...options.headers, host },
        }),
      logs: () => lines.join('\n'),
    };
  };
}
