import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { format } from 'prettier';
import { errorsPage } from './errors-page.ts';

// `npm run docs`: writes the pages that are made from the sources. CI fails where one is not current.
writeFileSync(
  join(import.meta.dirname, 'errors.md'),
  await format(errorsPage(), { parser: 'markdown' }),
);
