import { copyFileSync, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { ENTRY } from './countersign.ts';
import type { DockerHome } from './docker-home.ts';
import { mustRun } from './run.ts';

/** How docker calls our plugin here: a plugin cannot stand in for `trust` where docker has that built in. */
export const PLUGIN = 'ctrust';

/** Installs the plugin in a home as a person does, and under a name that Docker 28 runs, too. */
export async function installPlugin(home: DockerHome): Promise<void> {
  const env = { ...home.env, VITEST: undefined, NODE_OPTIONS: undefined };
  await mustRun(process.execPath, [ENTRY, 'docker', 'install'], { env, cwd: home.folder });
  const launcher = join(home.folder, 'cli-plugins', 'docker-trust');
  mkdirSync(dirname(launcher), { recursive: true });
  copyFileSync(launcher, join(home.folder, 'cli-plugins', `docker-${PLUGIN}`));
}
