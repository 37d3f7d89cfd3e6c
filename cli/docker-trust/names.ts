import { TrustFailure } from './failure.ts';

const NAME = /^[a-z0-9][a-z0-9_-]*$/;
const MUST =
  'must start with lowercase alphanumeric characters and can include "-" or "_" after the first character';

/** Throws docker's message for a key's name that is none. */
export function checkKeyName(name: string): void {
  if (!NAME.test(name)) throw new TrustFailure(`key name "${name}" ${MUST}`);
}

/** Throws docker's message for a signer's name that is none, or kept for releases. */
export function checkSignerName(name: string): void {
  if (!NAME.test(name)) throw new TrustFailure(`signer name "${name}" ${MUST}`);
  if (name === 'releases') {
    throw new TrustFailure('releases is a reserved keyword, use a different signer name');
  }
}
