import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { format } from 'prettier';
import { describe, expect, it } from 'vitest';
import { errorsPage } from '../../docs/errors-page.ts';

describe('docs/errors.md', () => {
  it('is what the generator makes of the error table now (npm run docs)', async () => {
    const page = readFileSync(join(import.meta.dirname, '../../docs/errors.md'), 'utf8');
    expect(page).toBe(await format(errorsPage(), { parser: 'markdown' }));
    expect(page).toContain('| `NOT_TRUSTED`');
  });
});
