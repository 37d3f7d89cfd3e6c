import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** All files below a folder, relative to it; none where the folder is not there. */
export function filesBelow(folder: string): string[] {
  try {
    return readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
      .toSorted();
  } catch {
    return [];
  }
}

/** The files of the embedded registry's content store whose bytes are not what their name says. */
export function damagedContent(root: string): string[] {
  const blobs = join(root, 'blobs');
  return filesBelow(blobs).filter((file) => {
    const [algorithm = '', , hex] = file.split('/');
    const bytes = readFileSync(join(blobs, file));
    return createHash(algorithm).update(bytes).digest('hex') !== hex;
  });
}
