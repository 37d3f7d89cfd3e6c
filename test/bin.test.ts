import { statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';

it('the program may be run: npx says "Permission denied" of a file that is not executable', () => {
  const { mode } = statSync(join(import.meta.dirname, '..', 'bin', 'countersign.js'));
  expect(mode & 0o111).toBe(0o111);
});
