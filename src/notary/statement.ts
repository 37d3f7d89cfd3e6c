import { sha256Hex } from '../lib/bytes.ts';
import type { SignedStatement } from '../store/trust-data.ts';
import type { Envelope } from '../tuf/envelope.ts';
import { parseEnvelope } from '../tuf/envelope.ts';
import { isDelegation } from '../tuf/role-name.ts';

/**
 * Names what a file of a targets role says: the hash of exactly what was signed, so that neither other
 * white space nor another signature by the same key (ECDSA has two for each) makes it another statement.
 */
export function statementOf(role: string, { message }: Envelope): SignedStatement {
  return { role, sha256: sha256Hex(message) };
}

/** The statements of files as they are stored; other roles make none, and what cannot be read says nothing. */
export function statementsOf(
  files: readonly { readonly role: string; readonly bytes: Uint8Array }[],
): readonly SignedStatement[] {
  return files.flatMap(({ role, bytes }) => {
    if (role !== 'targets' && !isDelegation(role)) return [];
    const envelope = parseEnvelope(bytes);
    return envelope.ok ? [statementOf(role, envelope.value)] : [];
  });
}
