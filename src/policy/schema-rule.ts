import { quote } from '../lib/quote.ts';
import type { YamlNode } from '../lib/yaml-node.ts';
import type { FormatName } from '../trust/format.ts';
import { readDuration } from './duration.ts';
import type { Placed, SchemaOptions } from './draft.ts';
import { BOUNDS, DEFAULTS, FORMAT_NAMES, NEEDS_DCT, keysOf } from './fields.ts';
import type { SignatureRule } from './policy.ts';

/** A rule of `require`, with the places of the authorities that it names. */
export interface RuleDraft {
  readonly rule: SignatureRule;
  readonly asked: readonly Placed<string>[];
}

/** Reads the mapping under `signatures`; `undefined` where it cannot stand, after collecting why. */
export function readRule(node: YamlNode, options: SchemaOptions): RuleDraft | undefined {
  const fields = node.mapping([...keysOf('signatures'), 'roots']);
  if (fields === undefined) return undefined;
  fields.get('roots')?.fail(`expected no "roots": it ${NEEDS_DCT}`);
  const asked = readBy(fields.need('by'));
  const formats = readFormats(fields.get('formats'), options.formats);
  const maxAge = readDuration(fields.get('maxAge'), BOUNDS.maxAge) ?? null;
  const by = asked.map((name) => name.value);
  // Every authority counts once, so more than there are could never be met, and none would ask nothing.
  const atLeast = fields.get('atLeast')?.integer(1, Math.max(1, by.length)) ?? by.length;
  return { rule: { by, atLeast, formats, maxAge }, asked };
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
    if (name === '@repository') {
      item.fail(`expected the name of an authority, found "@repository", which ${NEEDS_DCT}`);
    } else if (names.some((other) => other.value === name)) {
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
