import { quote } from '../lib/quote.ts';
import type { YamlNode } from '../lib/yaml-node.ts';
import type { FormatName } from '../trust/format.ts';
import { REPOSITORY } from '../trust/format.ts';
import { readDuration } from './duration.ts';
import type { Placed, SchemaOptions } from './draft.ts';
import { BOUNDS, DEFAULTS, FORMAT_NAMES, keysOf } from './fields.ts';
import type { SignatureRule } from './policy.ts';
import { readRoots } from './roots.ts';

/** A rule of `require`, with the places of the authorities that it names. */
export interface RuleDraft {
  readonly rule: SignatureRule;
  readonly asked: readonly Placed<string>[];
  readonly roots: readonly Placed<string>[];
}

/** Reads the mapping under `signatures`; `undefined` where it cannot stand, after collecting why. */
export function readRule(node: YamlNode, options: SchemaOptions): RuleDraft | undefined {
  const fields = node.mapping(keysOf('signatures'));
  if (fields === undefined) return undefined;
  const asked = readBy(fields.need('by'));
  const formats = readFormats(fields.get('formats'), options.formats);
  const maxAge = readDuration(fields.get('maxAge'), BOUNDS.maxAge) ?? null;
  const by = asked.map((name) => name.value);
  // Every authority counts once, so more than there are could never be met, and none would ask nothing.
  const atLeast = fields.get('atLeast')?.integer(1, Math.max(1, by.length)) ?? by.length;
  const pinned = fields.get('roots');
  const roots = readRoots(pinned);
  if (!formats.includes('dct')) {
    const repository = asked.find((name) => name.value === REPOSITORY.name);
    const place = repository?.node ?? pinned;
    const what = repository === undefined ? '"roots"' : REPOSITORY.name;
    place?.fail(`expected dct among "formats" where ${what} stands: it has no other signatures`);
  }
  const rule = { by, atLeast, formats, maxAge, roots: roots.map((root) => root.value) };
  return { rule, asked: asked.filter((name) => name.value !== REPOSITORY.name), roots };
}

function readBy(node: YamlNode | undefined): readonly Placed<string>[] {
  const list = node?.list() ?? [];
  if (node?.kind === 'list' && list.length === 0) {
    node.fail('expected at least one authority under "by", found none');
  }
  if (list.length > BOUNDS.by) {
    node?.fail(`expected at most ${BOUNDS.by} authorities, found ${list.length}`);
  }
  const names: Placed<string>[] = [];
  for (const item of list.slice(0, BOUNDS.by)) {
    const name = item.text();
    if (name === undefined) continue;
    if (names.some((other) => other.value === name)) {
      item.fail(`expected every authority once under "by", found ${quote(name)} again`);
    } else names.push({ value: name, node: item });
  }
  return names;
}

function readFormats(
  node: YamlNode | undefined,
  available: readonly FormatName[],
): readonly FormatName[] {
  if (node === undefined) return DEFAULTS.formats;
  const list = node.list() ?? [];
  if (node.kind === 'list' && list.length === 0) {
    node.fail(`expected at least one format, found none; available: ${available.join(', ')}`);
  }
  const formats = new Set<FormatName>();
  for (const item of list.slice(0, 2 * FORMAT_NAMES.length)) {
    const format = item.oneOf(FORMAT_NAMES);
    if (format === undefined) continue;
    if (!available.includes(format)) {
      item.fail(
        `format ${format} not available in this version; available: ${available.join(', ')}`,
      );
    } else if (formats.has(format)) item.fail(`expected every format once, found ${format} again`);
    else formats.add(format);
  }
  return [...formats];
}
