import { generateKey } from '../../src/keys/generate.ts';
import type { KeyType } from '../../src/keys/key.ts';
import { keyStore } from '../../src/keys/key-store.ts';
import type { NamedSigner } from '../../src/keys/resolve-signer.ts';
import { fileSigner } from '../../src/keys/signers/file.ts';
import { unwrap } from '../../src/lib/result.ts';
import type { Clock } from '../../src/lib/time.ts';
import { systemClock } from '../../src/lib/time.ts';
import type { Repository } from '../../src/oci/reference.ts';
import { parseRepository } from '../../src/oci/reference.ts';
import { openTrustServer } from '../../src/trust/dct/client.ts';
import type { TrustSession } from '../../src/trust/dct/session.ts';
import { trustCache } from '../../src/trust/dct/trust-cache.ts';

/** What opens every key of a session. */
export const SESSION_PASSPHRASE = 'a session passphrase';

/** One machine that publishes trust data: a folder as docker's, and what it was told. */
export interface TestSession extends TrustSession {
  readonly notes: string[];
}

/** Opens a session with the trust server at `url`, everything of it below `folder`. */
export function openSession(
  folder: string,
  url: string,
  registryHost: string,
  clock: Clock = systemClock,
): TestSession {
  const notes: string[] = [];
  const passphrase = (): Promise<string> => Promise.resolve(SESSION_PASSPHRASE);
  return {
    server: openTrustServer({
      registryHost,
      address: { url: new URL(url), named: true },
      retry: { attempts: 1 },
    }),
    cache: trustCache(folder),
    keys: keyStore(folder),
    clock,
    open: passphrase,
    fresh: passphrase,
    note: (line) => notes.push(line),
    notes,
  };
}

/** A signer of that name, stored in the session's key store. */
export async function storedSigner(
  session: TrustSession,
  name: string,
  type: KeyType = 'ecdsa-p256',
): Promise<NamedSigner> {
  const key = await generateKey(type);
  await session.keys.add(key, name, SESSION_PASSPHRASE);
  return { ...fileSigner(key), name };
}

/** A repository's name, of this test alone. */
export function gunOf(host: string, path: string): Repository {
  return unwrap(parseRepository(`${host}/${path}`));
}
