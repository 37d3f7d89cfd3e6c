import { removeFile } from '../../../src/keys/private-file.ts';
import { CountersignError } from '../../../src/lib/errors.ts';
import type { Context } from '../../commands.ts';
import type { InstallFlags } from './install.ts';
import { launcherPath, readLauncher } from './launcher.ts';

/** `docker uninstall`: removes the launcher; that there is none is as good. */
export async function runUninstall(context: Context, flags: InstallFlags): Promise<void> {
  const path = launcherPath(context.env, flags.dir);
  const { kind } = await readLauncher(path);
  if (kind === 'foreign') {
    throw new CountersignError('USAGE', `${path} was not made by countersign; it is left as it is`);
  }
  if (kind === 'ours') await removeFile(path);
  const text = kind === 'ours' ? `Removed ${path}` : `There is no ${path}`;
  context.output().result({ path, changed: kind === 'ours' }, text);
}
