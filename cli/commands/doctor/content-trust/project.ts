import type { Dirent } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { decodeUtf8 } from '../../../../src/lib/bytes.ts';
import { readBoundedFile } from '../../../../src/lib/file.ts';
import { LIMITS } from '../../../../src/lib/limits.ts';
import type { Check } from '../check.ts';
import { check } from '../check.ts';
import { judgeFile } from './judge.ts';
import { trustSettings } from './settings.ts';

const DEPTH = 8;
/** Entries that are looked at, and files that are read. */
const ENTRIES = 50_000;
const FILES = 5_000;

const PASSED_OVER = new Set(['node_modules', '.git', 'vendor', 'dist', 'target', '.venv']);
/** CI files, builds and scripts, by name. */
const NAMES: readonly RegExp[] = [
  /\.gitlab-ci\.ya?ml$/,
  /^Jenkinsfile(?:\..+)?$/,
  /^(?:azure-pipelines|bitbucket-pipelines|cloudbuild|buildspec)(?:[.-][\w.-]+)?\.ya?ml$/,
  /^\.(?:travis|drone|woodpecker|cirrus)\.ya?ml$/,
  /^(?:.+\.)?(?:Dockerfile|Containerfile)(?:\..+)?$/,
  /^(?:GNUm|M|m)akefile$|\.mk$/,
  /^(?:docker-)?compose(?:[.-][\w.-]+)?\.ya?ml$/,
  /\.(?:sh|bash|zsh)$/,
  /^\.env(?:\..+)?$|^\.envrc$/,
];
/** Folders in which every YAML file is one of CI. */
const CI_FOLDERS =
  /(?:^|\/)(?:\.github\/(?:workflows|actions)|\.gitlab|\.circleci|\.azure-pipelines|\.woodpecker|\.buildkite)(?:\/|$)/;

/** Looks through a project for content trust that does nothing where it is switched on. */
export async function examineProject(folder: string, today: string): Promise<readonly Check[]> {
  const { files, complete } = await filesBelow(folder);
  const out: Check[] = [];
  for (const path of files) {
    const file = await readBoundedFile(path, LIMITS.configFileBytes, 'CONFIG_INVALID');
    const text = file.ok ? decodeUtf8(file.value.bytes) : undefined;
    if (text === undefined || !/DOCKER_CONTENT_TRUST|docker\s+trust/.test(text)) continue;
    out.push(...judgeFile(relative(folder, path), text, trustSettings(text), today));
  }
  if (!complete) {
    out.push(
      check(
        'unknown',
        folder,
        `only the first ${FILES} files of at most ${ENTRIES} entries were looked at`,
        'name a smaller folder with --project',
      ),
    );
  }
  return out.length > 0
    ? out
    : [check('closed', folder, `no file of ${files.length} switches content trust on`)];
}

async function filesBelow(
  folder: string,
): Promise<{ readonly files: readonly string[]; readonly complete: boolean }> {
  const files: string[] = [];
  let seen = 0;
  const queue: { readonly path: string; readonly depth: number }[] = [{ path: folder, depth: 0 }];
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
    for (const entry of await entriesOf(next.path)) {
      seen += 1;
      if (seen > ENTRIES || files.length >= FILES) return { files, complete: false };
      const path = join(next.path, entry.name);
      // A link may lead out of the folder, or round in it.
      if (entry.isDirectory() && !PASSED_OVER.has(entry.name) && next.depth < DEPTH) {
        queue.push({ path, depth: next.depth + 1 });
      } else if (entry.isFile() && isLookedAt(relative(folder, next.path), entry.name)) {
        files.push(path);
      }
    }
  }
  return { files, complete: true };
}

async function entriesOf(path: string): Promise<readonly Dirent[]> {
  try {
    const entries = await readdir(path, { withFileTypes: true });
    return entries.toSorted((a, b) => (a.name < b.name ? -1 : 1));
  } catch {
    return [];
  }
}

function isLookedAt(folder: string, name: string): boolean {
  if (NAMES.some((pattern) => pattern.test(name))) return true;
  return /\.ya?ml$/.test(name) && CI_FOLDERS.test(folder.replaceAll('\\', '/'));
}
