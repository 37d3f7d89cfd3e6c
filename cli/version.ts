import { readFileSync } from 'node:fs';

/** The version in package.json: one folder up from source, two from `dist/cli`. */
export function packageVersion(): string {
  for (const up of ['../package.json', '../../package.json']) {
    try {
      const manifest = JSON.parse(readFileSync(new URL(up, import.meta.url), 'utf8')) as {
        version: string;
      };
      return manifest.version;
    } catch {
      continue;
    }
  }
  return 'unknown';
}
