import { readdir } from 'node:fs/promises';
import { parse } from 'smol-toml';
import { decodeUtf8 } from '../../../src/lib/bytes.ts';
import { messageOf } from '../../../src/lib/errors.ts';
import { readBoundedFile } from '../../../src/lib/file.ts';
import type { Json, JsonObject } from '../../../src/lib/json.ts';
import { isObject, parseJson } from '../../../src/lib/json.ts';
import { LIMITS } from '../../../src/lib/limits.ts';
import type { Check } from './check.ts';
import { check } from './check.ts';

/** A configuration file: its content, or `null` where there is none; a check where it cannot be read. */
export type Configured = { readonly content: JsonObject | null } | { readonly failed: Check };

/** Reads a bounded TOML or JSON file, by its name's ending. */
export async function readConfigured(path: string): Promise<Configured> {
  const file = await readBoundedFile(path, LIMITS.configFileBytes, 'CONFIG_INVALID');
  if (!file.ok) {
    return file.refusal.message.includes('there is no such file')
      ? { content: null }
      : { failed: check('unknown', path, file.refusal.message, 'run doctor as a user who may') };
  }
  const { bytes } = file.value;
  const text = decodeUtf8(bytes);
  if (text === undefined) return { failed: check('unknown', path, 'the file is no text') };
  if (path.endsWith('.json')) {
    const json = parseJson(bytes, { maxBytes: LIMITS.configFileBytes });
    return json.ok && isObject(json.value)
      ? { content: json.value }
      : { failed: check('unknown', path, 'the file is no JSON object') };
  }
  try {
    // TOML has dates and big numbers besides what JSON has; none of the settings read here is one.
    return { content: parse(text) as unknown as JsonObject };
  } catch (error) {
    return { failed: check('unknown', path, messageOf(error).split('\n', 1)[0] ?? 'no TOML') };
  }
}

/** As {@link readNames}, with none where the folder is closed to whoever runs doctor: for what only adds to the picture. */
export async function namesIn(folder: string): Promise<readonly string[]> {
  const read = await readNames(folder);
  return 'names' in read ? read.names : [];
}

/** The names in a folder, sorted; none where it is not there, and a check where it cannot be read, since what it holds decides. */
export async function readNames(
  folder: string,
): Promise<{ readonly names: readonly string[] } | { readonly failed: Check }> {
  try {
    return { names: (await readdir(folder)).toSorted() };
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return { names: [] };
    const why = `expected a folder that can be read (${code})`;
    return { failed: check('unknown', folder, why, 'run doctor as a user who may') };
  }
}

/** The text, or `undefined` for anything else. */
export const textIn = (value: Json | undefined): string | undefined =>
  typeof value === 'string' ? value : undefined;
