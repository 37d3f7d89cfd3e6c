#!/usr/bin/env node
// Old syntax on purpose: an old Node must get this far and say what it lacks, not print a stack.
import { existsSync } from 'node:fs';
import * as nodeModule from 'node:module';
import { fileURLToPath } from 'node:url';

const [major, minor] = process.versions.node.split('.').map(Number);
const good = (major === 22 && minor >= 22) || (major === 24 && minor >= 15) || major >= 26;
if (!good) {
  const own = fileURLToPath(new URL('../node_modules/.bin/node', import.meta.url));
  process.stderr.write(
    `countersign needs Node 22.22, 24.15 or 26 and later, found ${process.versions.node}.\n` +
      'In a checkout, "npm run" and "npx countersign" bring the right one after: npm ci\n' +
      (existsSync(own) ? `From any folder: ${own} ${fileURLToPath(import.meta.url)}\n` : ''),
  );
  process.exit(2);
}
// Who streams layers makes young garbage, and V8 lets it grow to 48 MB before it looks: a third of all
// that the service takes otherwise. The flag is read when a process starts, so this one becomes another.
const young = '--max-semi-space-size=4';
const chosen = [...process.execArgv, process.env.NODE_OPTIONS ?? ''].join(' ');
const can = process.platform !== 'win32' && process.execve;
if (process.argv[2] === 'serve' && can && !chosen.includes('semi-space-size')) {
  const args = [process.execPath, young, ...process.execArgv, ...process.argv.slice(1)];
  process.execve(process.execPath, args, process.env);
}
nodeModule.enableCompileCache?.();
// A checkout runs from source by type stripping; a published package has only the built code.
const source = new URL('../cli/main.ts', import.meta.url);
const main = existsSync(source) ? source : new URL('../dist/cli/main.js', import.meta.url);
const cli = await import(main.href);
process.exitCode = await cli.main(process.argv.slice(2), process.env);
