import { CountersignError } from '../../lib/errors.ts';
import type { TrustWrite } from '../trust-data.ts';
import type { Statements } from './statements.ts';

/** Notes for which repository statements were made. Throws STORE_CONFLICT where one was made for another. */
export function noteStatements(
  database: Statements,
  { repository, statements, imported }: TrustWrite & { readonly kind: 'trust-statements' },
): void {
  for (const sha256 of statements) {
    const known = database.get('SELECT repository FROM trust_statement WHERE sha256 = ?', sha256);
    if (known === undefined)
      database.run('INSERT INTO trust_statement VALUES (?, ?)', sha256, repository);
    else if (known['repository'] !== repository && imported !== true)
      throw new CountersignError(
        'STORE_CONFLICT',
        `expected a statement for ${repository}, found one that was published for another repository; nothing was changed`,
      );
  }
}
