#!/usr/bin/env node
import * as nodeModule from 'node:module';
import { expectNode, moduleOf } from './runtime.js';

// docker runs this as `docker trust`, after `countersign docker install`.
expectNode('docker-trust', import.meta.url);
nodeModule.enableCompileCache?.();
const plugin = await import(moduleOf('docker-trust/main'));
process.exitCode = await plugin.main(process.argv.slice(2), process.env);
