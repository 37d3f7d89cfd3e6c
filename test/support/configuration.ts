import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import type { Config, ServeFlags } from '../../src/config/config.ts';
import { loadConfig } from '../../src/config/load.ts';
import { unwrap } from '../../src/lib/result.ts';

/** What a configuration is loaded from. */
export interface Given {
  readonly yaml?: string;
  readonly flags?: ServeFlags;
  readonly env?: Readonly<Record<string, string>>;
}

/** A folder with a `countersign.yaml`, and loading from it. */
export interface ConfigFolder {
  readonly folder: string;
  /** Writes a file with exactly these permissions. */
  readonly write: (name: string, text: string, mode?: number) => void;
  readonly load: (given: Given) => Promise<Config>;
  /** The message of the refusal. Throws where it loads. */
  readonly refusal: (given: Given) => Promise<string>;
}

/** Makes a configuration folder for the suite; call it in its body. Each load starts without an older countersign.yaml. */
export function configFolder(): ConfigFolder {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-test-'));
  afterAll(() => rmSync(folder, { recursive: true }));
  const write: ConfigFolder['write'] = (name, text, mode = 0o600) => {
    writeFileSync(join(folder, name), text, { mode });
    chmodSync(join(folder, name), mode);
  };
  const attempt = ({ yaml, flags = {}, env = {} }: Given): ReturnType<typeof loadConfig> => {
    rmSync(join(folder, 'countersign.yaml'), { force: true });
    if (yaml !== undefined) write('countersign.yaml', yaml);
    return loadConfig({ flags, env, cwd: folder });
  };
  return {
    folder,
    write,
    load: async (given) => unwrap(await attempt(given)),
    refusal: async (given) => {
      const result = await attempt(given);
      if (result.ok) throw new Error('expected a refusal, but the configuration loaded');
      return result.refusal.message;
    },
  };
}
