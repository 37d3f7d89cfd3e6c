import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { clientPath } from './clients.ts';
import type { Ran } from './run.ts';
import { mustRun, run } from './run.ts';

/** Files of a cosign key pair. */
export interface CosignKey {
  readonly privateKey: string;
  readonly publicKey: string;
}

/** Both generations of cosign write and read the classic format, each with its own switches. */
export type CosignName = 'cosign-2' | 'cosign-3';

const PASSWORD = 'a test passphrase';
const HTTP = ['--allow-http-registry', '--allow-insecure-registry'];
const CLASSIC: Readonly<
  Record<CosignName, { sign: readonly string[]; verify: readonly string[] }>
> = {
  'cosign-2': { sign: [], verify: [] },
  'cosign-3': {
    sign: ['--use-signing-config=false', '--new-bundle-format=false'],
    verify: ['--new-bundle-format=false'],
  },
};

/** Generates an encrypted P-256 pair with cosign. */
export async function generateCosignKey(name: CosignName, folder: string): Promise<CosignKey> {
  mkdirSync(folder, { recursive: true });
  const env = { COSIGN_PASSWORD: PASSWORD, HOME: folder };
  await mustRun(clientPath(name), ['generate-key-pair'], { cwd: folder, env });
  return { privateKey: join(folder, 'cosign.key'), publicKey: join(folder, 'cosign.pub') };
}

/** Signs with cosign in the classic format, without a transparency log; `extra` for credentials and annotations. */
export function cosignSign(
  name: CosignName,
  image: string,
  key: CosignKey,
  extra: readonly string[] = [],
): Promise<Ran> {
  const args = ['sign', '--yes', '--tlog-upload=false', ...HTTP, ...CLASSIC[name].sign];
  return run(clientPath(name), [...args, '--key', key.privateKey, ...extra, image], {
    env: { COSIGN_PASSWORD: PASSWORD },
  });
}

/** Verifies with cosign by a public key file. */
export function cosignVerify(name: CosignName, image: string, publicKey: string): Promise<Ran> {
  const args = ['verify', '--insecure-ignore-tlog', ...HTTP, ...CLASSIC[name].verify];
  return run(clientPath(name), [...args, '--key', publicKey, image]);
}

const ALONE = ['--use-signing-config=false', '--tlog-upload=false', ...HTTP];

/** Signs with cosign 3 as it does by default, in a Sigstore bundle, without a transparency log; `extra` for credentials. */
export function cosignSignBundle(
  image: string,
  key: CosignKey,
  annotations: Readonly<Record<string, string>> = {},
  extra: readonly string[] = [],
): Promise<Ran> {
  const said = Object.entries(annotations).flatMap(([name, value]) => ['-a', `${name}=${value}`]);
  const args = ['sign', '--yes', ...ALONE, '--key', key.privateKey, ...said, ...extra, image];
  return run(clientPath('cosign-3'), args, { env: { COSIGN_PASSWORD: PASSWORD } });
}

/** Attests with cosign 3, in a Sigstore bundle; `predicate` is a file. */
export function cosignAttestBundle(
  image: string,
  key: CosignKey,
  type: string,
  predicate: string,
): Promise<Ran> {
  const args = ['attest', '--yes', ...ALONE, '--key', key.privateKey];
  return run(clientPath('cosign-3'), [...args, '--type', type, '--predicate', predicate, image], {
    env: { COSIGN_PASSWORD: PASSWORD },
  });
}

/** Verifies with cosign 3 as it does by default: by bundles, where there are any. */
export function cosignVerifyBundle(image: string, publicKey: string): Promise<Ran> {
  const args = ['verify', '--private-infrastructure', ...HTTP, '--key', publicKey, image];
  return run(clientPath('cosign-3'), args);
}
