import { quote } from '../lib/quote.ts';
import { parseInstant } from '../lib/time.ts';
import type { YamlNode } from '../lib/yaml-node.ts';
import { parseDigest } from '../oci/digest.ts';
import { isPath, parseHost } from '../oci/reference.ts';
import type { Placed, PolicyDraft, SchemaOptions } from './draft.ts';
import { readName } from './draft.ts';
import { readDuration } from './duration.ts';
import {
  BLOB_RULES,
  BOUNDS,
  DEFAULTS,
  DELETE_RULES,
  DIGEST_RULES,
  MODES,
  PUSH_RULES,
  TAG_RULES,
  keysOf,
} from './fields.ts';
import { literalFront, parsePattern } from './pattern.ts';
import type { Exception, Pattern } from './policy.ts';
import { readRoots } from './roots.ts';
import { readRule } from './schema-rule.ts';

/** Reads one entry of `policies`; `undefined` where it has no usable name, after collecting why. */
export function readPolicy(node: YamlNode, options: SchemaOptions): PolicyDraft | undefined {
  const fields = node.mapping(keysOf('policy'));
  if (fields === undefined) return undefined;
  const name = readName(fields.need('name'));
  const mode = fields.get('mode')?.oneOf(MODES) ?? DEFAULTS.mode;
  const patterns = readImages(fields.need('images'), options);
  const images = patterns.map((pattern) => pattern.value);
  const rules = readRequire(fields.get('require'), options);
  if (rules.length === 0 && mode === 'enforce') {
    (fields.get('require') ?? node).fail(
      'expected at least one entry under "require" where the mode is enforce, found none',
    );
  }
  const tags = fields.get('tags')?.oneOf(TAG_RULES) ?? DEFAULTS.tags;
  const digests = fields.get('digests')?.oneOf(DIGEST_RULES) ?? DEFAULTS.digests;
  const pinned = fields.get('roots');
  const roots = readRoots(pinned);
  // What a tag is, and what no tag is any more, is only known for sure from a signed map, and whose counts is said by `by`.
  const needs = [
    ...(tags === 'signed' ? [{ what: 'tags: signed', at: fields.get('tags') }] : []),
    ...(digests === 'current' ? [{ what: 'digests: current', at: fields.get('digests') }] : []),
    ...(pinned === undefined ? [] : [{ what: '"roots"', at: pinned }]),
  ];
  const mapped = rules.some(({ rule }) => rule.formats.includes('dct'));
  for (const { what, at } of mapped || mode === 'off' ? [] : needs) {
    at?.fail(`expected a rule with dct among its "formats" where ${what} stands, found none`);
  }
  const policy = {
    images,
    mode,
    push: fields.get('push')?.oneOf(PUSH_RULES) ?? DEFAULTS.push,
    tags,
    require: rules.map((rule) => rule.rule),
    signedAs: readSignedAs(fields.get('signedAs'), images),
    bindTag: fields.get('bindTag')?.boolean() ?? DEFAULTS.bindTag,
    digests,
    roots: roots.map((root) => root.value),
    blobs: fields.get('blobs')?.oneOf(BLOB_RULES) ?? DEFAULTS.blobs,
    delete: fields.get('delete')?.oneOf(DELETE_RULES) ?? DEFAULTS.delete,
    holdFor: readDuration(fields.get('holdFor'), BOUNDS.holdFor) ?? DEFAULTS.holdFor,
    authGrace: readDuration(fields.get('authGrace'), BOUNDS.authGrace) ?? DEFAULTS.authGrace,
    exceptions: readExceptions(fields.get('exceptions')),
    floor: fields.get('floor')?.boolean() ?? DEFAULTS.floor,
    source: node.source,
  };
  if (name === undefined) return undefined;
  const asked = rules.flatMap((rule) => rule.asked);
  const pins = [...roots, ...rules.flatMap((rule) => rule.roots)];
  return { policy: { name, ...policy }, node, patterns, asked, roots: pins };
}

/** Items of a list within a bound; an absent list has none. */
function items(node: YamlNode | undefined, most: number): readonly YamlNode[] {
  const list = node?.list() ?? [];
  if (list.length > most) node?.fail(`expected at most ${most} entries, found ${list.length}`);
  return list.slice(0, most);
}

function readImages(
  node: YamlNode | undefined,
  options: SchemaOptions,
): readonly Placed<Pattern>[] {
  const list = items(node, 100);
  if (node?.kind === 'list' && list.length === 0) node.fail('expected at least one pattern');
  const patterns: Placed<Pattern>[] = [];
  for (const item of list) {
    const text = item.text();
    if (text === undefined) continue;
    const pattern = parsePattern(text, options);
    if (!pattern.ok) item.fail(pattern.refusal.message);
    else if (patterns.some((other) => other.value.text === pattern.value.text)) {
      item.fail(`expected every pattern once, found ${quote(text)} again`);
    } else patterns.push({ value: pattern.value, node: item });
  }
  return patterns;
}

function readRequire(
  node: YamlNode | undefined,
  options: SchemaOptions,
): readonly NonNullable<ReturnType<typeof readRule>>[] {
  return items(node, BOUNDS.rules).flatMap((item) => {
    const signatures = item.mapping(keysOf('requirement'))?.need('signatures');
    return signatures === undefined ? [] : (readRule(signatures, options) ?? []);
  });
}

function readSignedAs(node: YamlNode | undefined, images: readonly Pattern[]): readonly string[] {
  const names = items(node, 20).flatMap((item) => {
    const text = item.text();
    return text === undefined ? [] : (readPrefix(item, text) ?? []);
  });
  const open = images.find((pattern) => literalFront(pattern) === '');
  if (names.length > 0 && open !== undefined) {
    node?.fail(
      `expected "signedAs" only where every pattern begins with a host: it replaces the literal front, and ${quote(open.text)} has none`,
    );
  }
  return names;
}

function readPrefix(node: YamlNode, text: string): string | undefined {
  const slash = text.indexOf('/');
  const first = slash < 0 ? text : text.slice(0, slash);
  const host = parseHost(first);
  const path = slash < 0 ? undefined : text.slice(slash + 1);
  const named = /[.:]/.test(first) || first === 'localhost';
  if (host.ok && named && (path === undefined || isPath(path))) {
    return path === undefined ? host.value : `${host.value}/${path}`;
  }
  return node.fail(
    `expected a name such as old-registry.example.com/prod, without wildcards, found ${quote(text)}`,
  );
}

function readExceptions(node: YamlNode | undefined): readonly Exception[] {
  const exceptions: Exception[] = [];
  for (const item of items(node, BOUNDS.exceptions)) {
    const exception = readException(item);
    if (exception === undefined) continue;
    if (exceptions.some((other) => other.digest === exception.digest)) {
      item.fail(`expected every digest once among the exceptions, found ${exception.digest} again`);
    } else exceptions.push(exception);
  }
  return exceptions;
}

function readException(node: YamlNode): Exception | undefined {
  const fields = node.mapping(keysOf('exception'));
  const digestNode = fields?.need('digest');
  const reason = readLine(fields?.need('reason'));
  const approvedBy = readLine(fields?.need('approvedBy'));
  const expiresNode = fields?.need('expires');
  const digest = parseDigest(digestNode?.text() ?? '');
  if (!digest.ok && digestNode?.kind === 'text') digestNode.fail(digest.refusal.message);
  const written = expiresNode?.text();
  const expires = written === undefined ? undefined : parseInstant(written);
  if (expiresNode !== undefined && written !== undefined && expires === undefined) {
    expiresNode.fail(
      `expected a day such as 2026-12-31 or an instant such as 2026-12-31T12:00:00Z, found ${quote(written)}`,
    );
  }
  if (!digest.ok || reason === undefined || approvedBy === undefined) return undefined;
  return expires === undefined ? undefined : { digest: digest.value, reason, approvedBy, expires };
}

/** One line of text that is recorded. */
function readLine(node: YamlNode | undefined): string | undefined {
  const text = node?.text()?.trim();
  if (node === undefined || text === undefined) return undefined;
  // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
  if (text !== '' && text.length <= BOUNDS.text && !/[\u0000-\u001f\u007f]/.test(text)) return text;
  return node.fail(`expected one line of 1 to ${BOUNDS.text} characters, found ${quote(text)}`);
}
