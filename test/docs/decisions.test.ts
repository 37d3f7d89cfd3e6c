import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

const root = join(import.meta.dirname, '../..');
const folder = join(root, 'docs/decisions');
const titles = readdirSync(folder).map((name) => ({
  name,
  title: readFileSync(join(folder, name), 'utf8').split('\n', 1)[0] ?? '',
}));
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  readonly dependencies: Readonly<Record<string, string>>;
};

describe('docs/decisions', () => {
  it.each(Object.keys(manifest.dependencies))('says why %s is there', (dependency) => {
    expect(titles.filter((page) => page.title.includes(`\`${dependency}\``))).toHaveLength(1);
  });

  it('numbers its pages without gaps', () => {
    const numbers = titles.map((page) => Number(page.name.slice(0, 4))).toSorted((a, b) => a - b);
    expect(numbers).toEqual(titles.map((_, i) => i + 1));
  });
});
