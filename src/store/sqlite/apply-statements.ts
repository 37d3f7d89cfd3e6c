import { CountersignError } from '../../lib/errors.ts';
import type { TrustWrite } from '../trust-data.ts';
import type { Statements } from './statements.ts';

/** Notes for which role of which repository statements were made. Throws STORE_CONFLICT where one was made for another. */
export function noteStatements(
  database: Statements,
  { repository, statements, imported }: TrustWrite & { readonly kind: 'trust-statements' },
): void {
  for (const { role, sha256 } of statements) {
    const known = database.get(
      'SELECT repository, role FROM trust_statement WHERE sha256 = ?',
      sha256,
    );
    if (known === undefined)
      database.run('INSERT INTO trust_statement VALUES (?, ?, ?)', sha256, repository, role);
    else if (imported !== true && (known['repository'] !== repository || known['role'] !== role))
      throw new CountersignError(
        'STORE_CONFLICT',
        `expected a statement for ${role} of ${repository}, found one that was published for another role or repository; nothing was changed`,
      );
  }
}
