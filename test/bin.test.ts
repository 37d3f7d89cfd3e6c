import { statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';

it.each(['countersign', 'docker-trust'])(
  '%s may be run: npx says "Permission denied" of a file that is not executable',
  (name) => {
    const { mode } = statSync(join(import.meta.dirname, '..', 'bin', `${name}.js`));
    expect(mode & 0o111).toBe(0o111);
  },
);
