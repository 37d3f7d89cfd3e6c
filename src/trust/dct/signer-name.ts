import type { Result } from '../../lib/result.ts';
import { ok, refuse } from '../../lib/result.ts';
import { quote } from '../../lib/quote.ts';
import { unwrap } from '../../lib/result.ts';
import { isDelegation } from '../../tuf/role-name.ts';

/** Checks a signer's name as `docker trust signer add` does; `releases` is the role of all of them. */
export function parseSignerName(text: string): Result<string> {
  if (text === 'releases') {
    return refuse('USAGE', 'releases is a reserved keyword, please use a different signer name');
  }
  if (/^[a-z0-9][a-z0-9_-]*$/.test(text) && isDelegation(`targets/${text}`)) return ok(text);
  return refuse(
    'USAGE',
    `signer name ${quote(text, 80)} must start with lowercase alphanumeric characters and can include "-" or "_" after the first character`,
  );
}

/** The role of a signer. Throws USAGE for a name that is none. */
export function signerRole(name: string): string {
  return `targets/${unwrap(parseSignerName(name))}`;
}
