import { dockerConfigFolder } from '../../../src/config/docker-folder.ts';
import { keyStore } from '../../../src/keys/key-store.ts';
import { labelOf } from '../../../src/keys/stored-key.ts';
import { CountersignError } from '../../../src/lib/errors.ts';
import type { Context } from '../../commands.ts';
import { openTerminal } from '../../terminal.ts';

/** `key remove`: asks first, as there is no way back. */
export async function runRemove(
  context: Context,
  nameOrId: string,
  options: { readonly yes?: boolean },
): Promise<void> {
  const store = keyStore(dockerConfigFolder(context.env));
  const stored = await store.find(nameOrId);
  const label = labelOf(stored);
  if (options.yes !== true && !(await confirmed(label))) {
    context.output().note('kept; nothing was changed');
    context.exit(1);
    return;
  }
  await store.remove(stored);
  context.output().result(
    { name: stored.name, notaryId: stored.notaryId, removed: true },
    `Removed the private key ${label}
What it signed stays signed. To end that, take it out of the policies, or revoke it (countersign revoke --key).`,
  );
}

async function confirmed(label: string): Promise<boolean> {
  const terminal = openTerminal();
  if (terminal === null) {
    throw new CountersignError(
      'USAGE',
      `removing the key ${label} cannot be undone, and there is no terminal to ask on; give --yes`,
    );
  }
  return terminal.confirm(`Remove the private key ${label}? This cannot be undone.`);
}
