// Old syntax on purpose: an old Node must get this far and say what it lacks, not print a stack.
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** Ends the process with a sentence where this Node is too old for the program at `entry`. */
export function expectNode(name, entry) {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if ((major === 22 && minor >= 22) || (major === 24 && minor >= 15) || major >= 26) return;
  const own = fileURLToPath(new URL('../node_modules/.bin/node', import.meta.url));
  process.stderr.write(
    `${name} needs Node 22.22, 24.15 or 26 and later, found ${process.versions.node}.\n` +
      'In a checkout, "npm run" and "npx countersign" bring the right one after: npm ci\n' +
      (existsSync(own) ? `From any folder: ${own} ${fileURLToPath(entry)}\n` : ''),
  );
  process.exit(2);
}

/** Where a module of `cli/` is: a checkout runs from source by type stripping, a published package has only the built code. */
export function moduleOf(name) {
  const source = new URL(`../cli/${name}.ts`, import.meta.url);
  const found = existsSync(source) ? source : new URL(`../dist/cli/${name}.js`, import.meta.url);
  return found.href;
}
