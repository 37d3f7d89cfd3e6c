import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { VARIABLES } from '../../src/config/sources.ts';
import { readWritten } from '../../src/config/written.ts';

const page = readFileSync(join(import.meta.dirname, '../../docs/configuration.md'), 'utf8');

describe('docs/configuration.md', () => {
  it('names every variable, and no other', () => {
    const named = new Set(page.match(/COUNTERSIGN_[A-Z_]+/g));
    expect([...named].toSorted()).toEqual(Object.keys(VARIABLES).toSorted());
  });

  it('shows an example whose every key is known', () => {
    const example = /```yaml\n([^]*?)```/.exec(page)?.[1] ?? '';
    expect(readWritten(Buffer.from(example), 'countersign.yaml', '/')).toMatchObject({
      ok: true,
      value: { registries: [{ host: { text: 'registry.example.com' } }], access: [{}] },
    });
  });
});
