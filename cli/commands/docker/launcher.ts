import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { dockerConfigFolder } from '../../../src/config/docker-folder.ts';
import { decodeUtf8 } from '../../../src/lib/bytes.ts';
import { CountersignError } from '../../../src/lib/errors.ts';
import { readBoundedFile } from '../../../src/lib/file.ts';

/** What is where docker looks for the plugin. */
export type Launcher =
  | { readonly kind: 'none' }
  | { readonly kind: 'ours'; readonly text: string }
  | { readonly kind: 'foreign' };

/** The line by which a launcher of ours is known again. */
const MARK = '# made by "countersign docker install"; "countersign docker uninstall" removes it';
const LAUNCHER_BYTES = 16 * 1024;

/** Where docker looks for the plugin of a user, or in a folder that was named. */
export function launcherPath(env: NodeJS.ProcessEnv, folder: string | undefined): string {
  return join(resolve(folder ?? join(dockerConfigFolder(env), 'cli-plugins')), 'docker-trust');
}

/** Looks at the file at that path. Throws STORE_UNAVAILABLE where it cannot be read. */
export async function readLauncher(path: string): Promise<Launcher> {
  const file = await readBoundedFile(path, LAUNCHER_BYTES, 'STORE_UNAVAILABLE');
  if (file.ok) {
    const text = decodeUtf8(file.value.bytes) ?? '';
    return text.includes(`\n${MARK}\n`) ? { kind: 'ours', text } : { kind: 'foreign' };
  }
  const { message, code } = file.refusal;
  if (message.includes('there is no such file')) return { kind: 'none' };
  // A built plugin is a program of many megabytes.
  if (message.includes('found more') || message.includes('expected a file')) {
    return { kind: 'foreign' };
  }
  throw new CountersignError(code, message);
}

/** The launcher for this Node and this countersign. Docker runs plugins as programs, whatever Node is on its PATH. */
export function launcherText(): string {
  return `#!/bin/sh\n${MARK}\nexec ${quoted(process.execPath)} ${quoted(pluginProgram())} "$@"\n`;
}

/** Three folders up from source, four from `dist/cli`. */
function pluginProgram(): string {
  const places = ['../../../bin/docker-trust.js', '../../../../bin/docker-trust.js'];
  const found = places.map((up) => fileURLToPath(new URL(up, import.meta.url))).find(existsSync);
  if (found !== undefined) return found;
  throw new CountersignError(
    'INTERNAL',
    'expected bin/docker-trust.js in this package, found none',
  );
}

function quoted(path: string): string {
  return `'${path.replaceAll("'", `'\\''`)}'`;
}
