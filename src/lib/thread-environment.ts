import { getCompileCacheDir } from 'node:module';

/**
 * The environment of our own threads: nothing of the process's, but where it keeps compiled code. A
 * thread that runs from source would else bring a TypeScript compiler of its own: 16 MB of memory.
 */
export function threadEnvironment(): Readonly<Record<string, string>> {
  const folder = getCompileCacheDir();
  return folder === undefined ? {} : { NODE_COMPILE_CACHE: folder };
}
