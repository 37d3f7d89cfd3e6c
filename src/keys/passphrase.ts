import { CountersignError } from '../lib/errors.ts';
import type { PrivateKey } from './private-key.ts';
import type { PrivateKeyFile } from './private-key-file.ts';
import { openPrivateKeyFile } from './private-key-file.ts';

/** What a passphrase is asked for. */
export interface PassphraseRequest {
  /** What a person sees: `key release-bot`, `./cosign.key`. */
  readonly subject: string;
  /** Notary's role of the key, where known: root keys have a passphrase of their own. */
  readonly role: string | null;
  /** True for cosign's own key files. */
  readonly cosign: boolean;
  /** Notary's id of the key, where known: docker's question shows its first digits. */
  readonly notaryId?: string;
}

/** Gives the passphrase of a key; asked only for keys that are encrypted. Throws PASSPHRASE_MISSING. */
export type PassphraseSource = (request: PassphraseRequest) => Promise<string>;

/** Opens a key file, asking for its passphrase where it has one. Throws PASSPHRASE_WRONG, PASSPHRASE_MISSING, KEY_INVALID, KEY_WEAK, naming the subject. */
export async function openAsking(
  file: PrivateKeyFile,
  subject: string,
  passphrase: PassphraseSource,
  notaryId?: string,
): Promise<PrivateKey> {
  const request: PassphraseRequest = {
    subject,
    role: file.role,
    cosign: file.encryption === 'cosign',
    ...(notaryId === undefined ? {} : { notaryId }),
  };
  const secret = file.encryption === null ? '' : await passphrase(request);
  const opened = await openPrivateKeyFile(file, secret);
  if (opened.ok) return opened.value;
  throw new CountersignError(opened.refusal.code, `${subject}: ${opened.refusal.message}`);
}
