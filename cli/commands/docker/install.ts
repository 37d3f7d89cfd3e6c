import { execFile } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import { CountersignError, messageOf } from '../../../src/lib/errors.ts';
import { replaceFile } from '../../../src/lib/file.ts';
import type { Context } from '../../commands.ts';
import type { DockerCli } from '../../docker-cli.ts';
import { findDockerCli, WITHOUT_TRUST } from '../../docker-cli.ts';
import { METADATA_COMMAND } from '../../docker-trust/metadata.ts';
import { launcherPath, launcherText, readLauncher } from './launcher.ts';

/** The options of `docker install`. */
export interface InstallFlags {
  readonly dir?: string;
  readonly force?: boolean;
}

const run = promisify(execFile);
const TIMEOUT_MS = 20_000;

/** `docker install`: writes the launcher where docker looks for plugins, and sees that it answers. */
export async function runInstall(context: Context, flags: InstallFlags): Promise<void> {
  if (process.platform === 'win32') {
    throw new CountersignError(
      'USAGE',
      'expected Linux or macOS: on Windows docker runs no plugin that is a script',
    );
  }
  const path = launcherPath(context.env, flags.dir);
  const there = await readLauncher(path);
  if (there.kind === 'foreign' && flags.force !== true) {
    throw new CountersignError(
      'USAGE',
      `${path} is there and was not made by countersign; replace it with --force, or move it away`,
    );
  }
  const text = launcherText();
  const changed = there.kind !== 'ours' || there.text !== text;
  if (changed) await writeLauncher(path, text);
  const version = await answeredVersion(path);
  const docker = await findDockerCli(context.env);
  context
    .output()
    .result({ path, changed, version, docker: docker?.version ?? null }, () =>
      [`${changed ? 'Installed' : 'Already installed:'} ${path}`, whatNow(docker)].join('\n'),
    );
}

async function writeLauncher(path: string, text: string): Promise<void> {
  try {
    await mkdir(dirname(path), { recursive: true });
    await replaceFile(path, text, 0o755);
  } catch (error) {
    throw new CountersignError(
      'STORE_UNAVAILABLE',
      `could not write ${path}: ${messageOf(error)}`,
      { cause: error },
    );
  }
}

/** Asks the launcher what docker asks: a plugin that does not answer is left out by docker without a word. */
async function answeredVersion(path: string): Promise<string> {
  try {
    const { stdout } = await run(path, [METADATA_COMMAND], { timeout: TIMEOUT_MS });
    const { Version } = JSON.parse(stdout) as { readonly Version: string };
    return Version;
  } catch (error) {
    throw new CountersignError(
      'STORE_UNAVAILABLE',
      `${path} was written and does not run: ${messageOf(error)}`,
      { cause: error },
    );
  }
}

function whatNow(docker: DockerCli | null): string {
  if (docker === null) return 'No docker was found on PATH; once there is one, docker trust works.';
  return docker.major < WITHOUT_TRUST
    ? `Docker ${docker.version} has docker trust built in and goes on using that; from Docker ${WITHOUT_TRUST} on this one is used.`
    : `docker trust works with Docker ${docker.version} now; see docker trust --help.`;
}
