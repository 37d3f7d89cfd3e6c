import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Digest } from '../oci/digest.ts';
import { isDigest } from '../oci/digest.ts';
import { isTag } from '../oci/reference.ts';
import type { DurableFiles } from './durable.ts';
import { ifPresent } from './durable.ts';
import type { Layout } from './layout.ts';

/** The tags of each repository: one file per tag that holds a digest and is replaced by rename. */
export class TagStore {
  readonly #files: DurableFiles;
  readonly #layout: Layout;

  constructor(files: DurableFiles, layout: Layout) {
    this.#files = files;
    this.#layout = layout;
  }

  /** What the tag names, or undefined. */
  async get(path: string, tag: string): Promise<Digest | undefined> {
    const text = await ifPresent(readFile(this.#file(path, tag), 'utf8'));
    return text !== undefined && isDigest(text) ? text : undefined;
  }

  /** Lets the tag name the digest, whatever it named before. */
  async set(path: string, tag: string, digest: Digest): Promise<void> {
    await this.#files.write(this.#file(path, tag), digest);
  }

  /** Removes a tag; false where there was none. */
  async remove(path: string, tag: string): Promise<boolean> {
    return this.#files.remove(this.#file(path, tag));
  }

  /** All tags, in the order of {@link compareTags}. */
  async list(path: string): Promise<readonly string[]> {
    const names = (await ifPresent(readdir(this.#layout.tags(path)))) ?? [];
    return names
      .map(tagOfFile)
      .filter((tag) => tag !== undefined)
      .toSorted(compareTags);
  }

  #file(path: string, tag: string): string {
    return join(this.#layout.tags(path), fileOfTag(tag));
  }
}

/** "Lexical (i.e. case-insensitive alphanumeric) order" (distribution-spec 1.1, Listing Tags); ties by code unit. */
export function compareTags(a: string, b: string): number {
  const [x, y] = [a.toLowerCase(), b.toLowerCase()];
  if (x !== y) return x < y ? -1 : 1;
  return a === b ? 0 : a < b ? -1 : 1;
}

/**
 * A file name for a tag that stays different from every other tag's where the file system ignores case:
 * the tag in lower case, and for one with capitals `=` and a hex mask of where they are. `=` is in no tag.
 */
export function fileOfTag(tag: string): string {
  let mask = 0n;
  for (const [index, char] of tag.split('').entries()) {
    if (char >= 'A' && char <= 'Z') mask |= 1n << BigInt(index);
  }
  return mask === 0n ? tag : `${tag.toLowerCase()}=${mask.toString(16)}`;
}

/** The tag of a file name made by {@link fileOfTag}; undefined for any other name. */
export function tagOfFile(name: string): string | undefined {
  const match = /^([^=]{1,128})(?:=([0-9a-f]{1,32}))?$/.exec(name);
  if (match === null) return undefined;
  const mask = BigInt(`0x${match[2] ?? '0'}`);
  const tag = (match[1] ?? '')
    .split('')
    .map((char, index) => ((mask >> BigInt(index)) & 1n ? char.toUpperCase() : char))
    .join('');
  return isTag(tag) && fileOfTag(tag) === name ? tag : undefined;
}
