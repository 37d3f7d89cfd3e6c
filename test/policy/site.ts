import { generateKeyPairSync } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll } from 'vitest';
import type { LoadOptions, LoadedPolicies } from '../../src/policy/load.ts';
import { loadPolicies } from '../../src/policy/load.ts';

/** What tests read policies with. */
export const OPTIONS: LoadOptions = { registryHost: 'registry.example.com', formats: ['cosign'] };

const folders: string[] = [];
afterAll(() => {
  for (const dir of folders.splice(0)) rmSync(dir, { recursive: true, force: true });
});

/** A fresh public key in PEM. */
export function publicKeyPem(): string {
  const { publicKey } = generateKeyPairSync('ed25519');
  return publicKey.export({ type: 'spki', format: 'pem' }) as string;
}

/** A folder with these files, gone when the tests of the file are finished. */
export function folderOf(files: Readonly<Record<string, string>>): string {
  const dir = mkdtempSync(join(tmpdir(), 'countersign-policy-'));
  folders.push(dir);
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(dir, name)), { recursive: true });
    writeFileSync(join(dir, name), text);
  }
  return dir;
}

/** Two authorities, a and b, with a key each. */
export const KEYS: Readonly<Record<string, string>> = {
  'keys/a.pub': publicKeyPem(),
  'keys/b.pub': publicKeyPem(),
};

/** The head of a policy file that has the authorities of {@link KEYS}. */
export const HEAD = `version: 1
authorities:
  - { name: a, keys: [keys/a.pub] }
  - { name: b, keys: [keys/b.pub] }
`;

/** Loads files; throws the refusal's message. */
export async function load(
  files: Readonly<Record<string, string>>,
  options: LoadOptions = OPTIONS,
): Promise<LoadedPolicies> {
  const loaded = await loadPolicies(folderOf({ ...KEYS, ...files }), options);
  if (!loaded.ok) throw new Error(loaded.refusal.message);
  return loaded.value;
}

/** The messages that a set is refused with, the folder cut off. */
export async function refusals(
  files: Readonly<Record<string, string>>,
  options: LoadOptions = OPTIONS,
): Promise<readonly string[]> {
  const dir = folderOf({ ...KEYS, ...files });
  const loaded = await loadPolicies(dir, options);
  if (loaded.ok) throw new Error('expected a refusal, found a set that loads');
  if (loaded.refusal.code !== 'POLICY_INVALID') throw new Error(loaded.refusal.code);
  return loaded.refusal.message.split('\n').map((line) => line.replace(`${dir}/`, ''));
}

/** A policy file with one policy `p` for everything, with these lines besides. */
export function policyFile(...lines: readonly string[]): string {
  return [
    `${HEAD}policies:`,
    '  - name: p',
    "    images: ['**']",
    ...lines.map((line) => `    ${line}`),
    '',
  ].join('\n');
}
