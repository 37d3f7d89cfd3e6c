import { mapParallel } from '../lib/parallel.ts';
import type { Result } from '../lib/result.ts';
import { ok, refuse } from '../lib/result.ts';
import type { ServerKey } from '../store/trust-data.ts';
import type { Root } from '../tuf/root.ts';
import type { OpenedKey } from './signer-key.ts';
import { openSignerKey } from './signer-key.ts';
import type { NotarySource, SourceKey } from './source.ts';

/** The passphrase of an alias; `null` where none was given. */
export type Passphrases = (alias: string) => string | null;

/** The server's keys of a repository. */
export interface OpenedKeys {
  readonly keys: readonly OpenedKey[];
  /** Of old keys that no root lists any more: why they were left behind. */
  readonly notes: readonly string[];
}

/** Keys that are opened together. */
const WIDTH = 4;

const ROLES: readonly ServerKey['role'][] = ['timestamp', 'snapshot'];

/**
 * Opens the keys of a repository that the source has and the service has not (`here`). One that the
 * root lists and that does not open refuses the repository: without it everything would come over but
 * the right to go on.
 */
export async function openKeys(
  source: NotarySource,
  {
    gun,
    root,
    here,
  }: { readonly gun: string; readonly root: Root; readonly here: ReadonlySet<string> },
  passphrases: Passphrases,
): Promise<Result<OpenedKeys>> {
  const listed = new Map(
    ROLES.flatMap((role) => [...root.roles[role].keys.keys()].map((id) => [id, role] as const)),
  );
  const keys: OpenedKey[] = [];
  const notes: string[] = [];
  const sealed = (await source.keys(gun, [...listed.keys()])).flatMap((key) => {
    // A key from before signers noted roles is what the root says.
    const role = listed.get(key.id) ?? ROLES.find((one) => one === key.role);
    return role === undefined || here.has(key.id) ? [] : [{ key, role }];
  });
  // Each takes thousands of rounds of a hash, off this thread.
  const all = await mapParallel(sealed, WIDTH, async ({ key, role }) => ({
    listed: listed.has(key.id),
    opened: await open(key, role, passphrases),
  }));
  for (const { listed: needed, opened } of all) {
    if (opened.ok) keys.push(opened.value);
    else if (needed) return opened;
    else notes.push(`left behind, as no root lists it: ${opened.refusal.message}`);
  }
  return ok({ keys, notes });
}

/**
 * The keys that the newest root lists. Of a repository that is here already no others are taken: the service
 * would hand one out as the next key to change to, and whoever made the dump has it too.
 */
export function onlyListed({ keys, notes }: OpenedKeys, root: Root | null): OpenedKeys {
  const listed = new Set(ROLES.flatMap((role) => [...(root?.roles[role].keys.keys() ?? [])]));
  const others = keys.filter(({ id }) => !listed.has(id));
  const left = others.map(
    ({ id, role }) => `left behind, as no root lists it: ${role} key ${id.slice(0, 12)}`,
  );
  return { keys: keys.filter(({ id }) => listed.has(id)), notes: [...notes, ...left] };
}

async function open(
  key: SourceKey,
  role: ServerKey['role'],
  passphrases: Passphrases,
): Promise<Result<OpenedKey>> {
  const passphrase = passphrases(key.alias);
  if (passphrase !== null) return openSignerKey(key, role, passphrase);
  return refuse(
    'PASSPHRASE_MISSING',
    `${role} key ${key.id.slice(0, 12)} is sealed under alias ${key.alias}: set ${passphraseVariable(key.alias)}, or give --passphrase-file ${key.alias}=FILE`,
  );
}

/** The variable from which notary-signer takes the passphrase of an alias. */
export function passphraseVariable(alias: string): string {
  return `NOTARY_SIGNER_${alias.toUpperCase()}`;
}
