#!/usr/bin/env node
import * as nodeModule from 'node:module';
import { expectNode, moduleOf } from './runtime.js';

expectNode('countersign', import.meta.url);
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
const cli = await import(moduleOf('main'));
process.exitCode = await cli.main(process.argv.slice(2), process.env);
