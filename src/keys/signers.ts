import { CountersignError } from '../lib/errors.ts';
import type { Signer } from './key.ts';
import type { PassphraseSource } from './passphrase.ts';
import { fileSigner, openKey } from './signers/file.ts';

/** What opening a signer needs from its surroundings. */
export interface SignerPorts {
  /** Docker's configuration folder. */
  readonly dockerConfig: string;
  readonly passphrase: PassphraseSource;
}

/** One kind of signer: a file in `signers/` and a line in the list below. */
export interface SignerKind {
  /** The scheme that its references begin with (`SCHEME://…`); `null`: names of the key store and paths. */
  readonly scheme: string | null;
  /** Opens the signer; throws CountersignError with a code of the keys' rows. */
  open(reference: string, ports: SignerPorts): Promise<Signer>;
}

/** Every kind of signer. */
export const SIGNER_KINDS: readonly SignerKind[] = [
  {
    scheme: null,
    open: async (reference, { dockerConfig, passphrase }) =>
      fileSigner(await openKey(reference, dockerConfig, passphrase)),
  },
];

/** Opens the signer that a `--key` argument means. Throws USAGE for a scheme that no kind has. */
export async function openSigner(reference: string, ports: SignerPorts): Promise<Signer> {
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//.exec(reference)?.[1] ?? null;
  const kind = SIGNER_KINDS.find((candidate) => candidate.scheme === scheme);
  if (kind === undefined) {
    throw new CountersignError(
      'USAGE',
      `expected the name of a key or the path of a key file, found the scheme "${scheme}://"`,
    );
  }
  return kind.open(reference, ports);
}
