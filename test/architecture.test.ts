import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { describe, expect, it } from 'vitest';

// An import may only point to a folder further up this list, or stay in its own.
const LAYERS = [
  'lib',
  'oci',
  'keys',
  'merkle',
  'tuf',
  'store',
  'trust',
  'policy',
  'log',
  'gate',
  'registry',
  'notary',
  'import',
  'admission',
  'history',
  'http',
  'config',
  'app',
  'app.ts',
];
// The same inside src/gate: upwards only, so that what a pull does is never bent by how pushes work.
const GATE = [
  'access',
  'upstream',
  'in-force',
  'ports.ts',
  'content',
  'outcome.ts',
  'authorise',
  'verdict',
  'gate.ts',
  'hold',
  'pull',
  'push',
  'remove',
  'decisions',
  'catalog',
];
const PURE = ['policy', 'merkle', 'tuf'];
const PURE_EXCEPT = ['src/policy/load.ts', 'src/policy/unread-folders.ts', 'src/policy/watch.ts'];

const root = join(import.meta.dirname, '..');
const files = ['src', 'cli']
  .flatMap((dir) =>
    readdirSync(join(root, dir), { recursive: true, encoding: 'utf8' }).map((f) => join(dir, f)),
  )
  .filter((file) => file.endsWith('.ts'));

interface Import {
  readonly file: string;
  readonly specifier: string;
}

const imports: Import[] = files.flatMap((file) => {
  const text = readFileSync(join(root, file), 'utf8');
  return [...text.matchAll(/(?:from|import)\s*\(?\s*'([^']+)'/g)].map((match) => ({
    file,
    specifier: match[1] as string,
  }));
});

const folderOf = (file: string): string => file.split('/')[1] as string;
const targetOf = (i: Import): string => relative(root, join(root, dirname(i.file), i.specifier));
const own = imports.filter((i) => i.specifier.startsWith('.'));
const show = (list: readonly Import[]): string[] =>
  list.map((i) => `${i.file} imports ${i.specifier}`);

describe('architecture', () => {
  it('saw the files and their imports', () => {
    expect(files.length).toBeGreaterThan(20);
    expect(imports.length).toBeGreaterThan(50);
  });

  it('knows every folder of src', () => {
    const unknown = files.filter((f) => f.startsWith('src/') && !LAYERS.includes(folderOf(f)));
    expect(unknown).toEqual([]);
  });

  it('imports only point down the layers', () => {
    const wrong = own.filter((i) => {
      if (!i.file.startsWith('src/')) return false;
      const target = targetOf(i);
      if (!target.startsWith('src/')) return true;
      return LAYERS.indexOf(folderOf(target)) > LAYERS.indexOf(folderOf(i.file));
    });
    expect(show(wrong)).toEqual([]);
  });

  it('imports inside the gate only point down its own layers', () => {
    const layer = (file: string): number => GATE.indexOf(file.split('/')[2] as string);
    const inGate = (file: string): boolean => file.startsWith('src/gate/');
    expect(files.filter((file) => inGate(file) && layer(file) === -1)).toEqual([]);
    const wrong = own.filter(
      (i) => inGate(i.file) && inGate(targetOf(i)) && layer(targetOf(i)) > layer(i.file),
    );
    expect(show(wrong)).toEqual([]);
  });

  it('one format never imports another', () => {
    const wrong = own.filter((i) => {
      const from = /^src\/trust\/([a-z]+)\//.exec(i.file)?.[1];
      const to = /^src\/trust\/([a-z]+)\//.exec(targetOf(i))?.[1];
      return from !== undefined && to !== undefined && from !== to;
    });
    expect(show(wrong)).toEqual([]);
  });

  it('pure folders do no I/O and read no clock', () => {
    const pure = files.filter(
      (f) => PURE.includes(folderOf(f)) && f.startsWith('src/') && !PURE_EXCEPT.includes(f),
    );
    expect(pure.length).toBeGreaterThan(0);
    const wrong = pure.filter((file) => {
      const text = readFileSync(join(root, file), 'utf8');
      return /node:(?:fs|net|http|https|tls|child_process)|Date\.now|new Date\(\)|\bfetch\(|process\.|Math\.random/.test(
        text,
      );
    });
    expect(wrong).toEqual([]);
  });

  it('only http/ knows fastify, only store/open.ts names an engine', () => {
    const fastify = imports.filter(
      (i) => i.specifier.startsWith('fastify') && folderOf(i.file) !== 'http',
    );
    const engine = imports.filter(
      (i) => /store\/(?:sqlite|postgres)\//.test(targetOf(i)) && !i.file.startsWith('src/store/'),
    );
    const sqlite = imports.filter(
      (i) => i.specifier === 'node:sqlite' && !i.file.startsWith('src/store/sqlite/'),
    );
    expect(show([...fastify, ...engine, ...sqlite])).toEqual([]);
  });

  it('only cli/ prints or exits, only config/ reads the environment', () => {
    const wrong = files.filter((file) => {
      if (!file.startsWith('src/')) return false;
      const text = readFileSync(join(root, file), 'utf8');
      const env = /process\.env/.test(text) && folderOf(file) !== 'config';
      return env || /process\.(?:stdout|stderr|exit)\b|console\./.test(text);
    });
    expect(wrong).toEqual([]);
  });
});
