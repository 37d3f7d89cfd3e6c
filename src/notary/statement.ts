import { sha256Hex } from '../lib/bytes.ts';
import type { Repository } from '../oci/reference.ts';
import type { SignedStatement, TrustReads } from '../store/trust-data.ts';
import type { Envelope } from '../tuf/envelope.ts';
import { parseEnvelope } from '../tuf/envelope.ts';
import { isDelegation } from '../tuf/role-name.ts';
import type { TrustedTargets } from '../tuf/targets-tree.ts';

/**
 * Names what a file of a targets role says: the hash of exactly what was signed, so that neither other
 * white space nor another signature by the same key (ECDSA has two for each) makes it another statement.
 */
function statementOf(role: string, { message }: Envelope): SignedStatement {
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

/**
 * The statements that an upload makes, each once; `null` where one was published for another role or
 * repository before. A signer who signs for the first time says the same in her own role and in releases,
 * and where the clock of her machine is coarse it is one statement: nobody else has it before it was
 * published, so one upload may bring it for both. Rejects as the store does.
 */
export async function newStatements(
  store: Pick<TrustReads, 'trustStatement'>,
  repository: Repository,
  targets: ReadonlyMap<string, TrustedTargets>,
): Promise<readonly SignedStatement[] | null> {
  const made = new Map<string, SignedStatement>();
  for (const [role, { envelope }] of targets) {
    const statement = statementOf(role, envelope);
    const first = await store.trustStatement(statement.sha256);
    if (first !== null && (first.repository !== repository || first.role !== role)) return null;
    if (!made.has(statement.sha256)) made.set(statement.sha256, statement);
  }
  return [...made.values()];
}
