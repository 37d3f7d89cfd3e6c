import type { Document, Node, YAMLParseError } from 'yaml';
import { LineCounter, isAlias, isMap, isScalar, isSeq, parseDocument, visit } from 'yaml';
import { decodeUtf8 } from './bytes.ts';
import type { ErrorCode } from './errors.ts';
import { nearest } from './nearest.ts';
import type { Result } from './result.ts';
import { ok, refuse } from './result.ts';

/** How a file that a person writes is read. */
export interface YamlLimits {
  /** The code of every refusal: `CONFIG_INVALID`, `POLICY_INVALID`, … */
  readonly code: ErrorCode;
  readonly maxBytes: number;
  /** Deepest nesting of mappings and lists; 16 where it is not given. */
  readonly maxDepth?: number;
}

/** More than this many messages help nobody; the rest is counted. */
const MAX_PROBLEMS = 20;

/** What the nodes of one document share. */
interface Shared {
  readonly file: string;
  readonly lines: LineCounter;
  readonly problems: string[];
}

/**
 * Parses one YAML 1.2 document (core schema) for {@link YamlNode}'s strict accessors. Refuses what two
 * readers could take differently or what could hide a setting: duplicate keys, anchors, aliases, tags,
 * merge keys, directives, several documents, invalid UTF-8, and anything over the limits.
 *
 * The accessors do not throw: they collect `file:line: message`, and {@link YamlDocument.finish} turns
 * what was built into a result.
 */
export function readYaml(
  bytes: Uint8Array,
  file: string,
  limits: YamlLimits,
): Result<YamlDocument> {
  const bad = (message: string): Result<never> => refuse(limits.code, `${file}: ${message}`);
  if (bytes.byteLength > limits.maxBytes) {
    return bad(`expected at most ${limits.maxBytes} bytes, found ${bytes.byteLength}`);
  }
  const text = decodeUtf8(bytes);
  if (text === undefined) return bad('expected UTF-8, found invalid bytes');
  const lines = new LineCounter();
  const shared: Shared = { file, lines, problems: [] };
  let document: Document.Parsed;
  try {
    document = parseDocument(text, {
      version: '1.2',
      schema: 'core',
      merge: false,
      strict: true,
      // The library compares every key with every other; strictness() does it in linear time.
      uniqueKeys: false,
      resolveKnownTags: false,
      prettyErrors: false,
      lineCounter: lines,
    });
    // Nesting that exhausts the stack is over any limit of ours; the library reports or throws it.
    if (document.errors.some((error) => /call stack|stack overflow/i.test(error.message))) {
      return bad('expected fewer levels of nesting');
    }
    // One slip in a line makes the parser stumble over all that follow: the first one is the one to mend.
    const [slip] = document.errors;
    if (slip !== undefined) report(shared, slip.pos[0], described(slip));
    if (/^%/m.test(text.slice(0, document.range[0]))) {
      report(shared, 0, 'expected no YAML directive; remove the line that begins with %');
    }
    if (shared.problems.length === 0) strictness(document, shared, limits.maxDepth ?? 16);
  } catch (error) {
    if (error instanceof RangeError) return bad('expected fewer levels of nesting');
    throw error;
  }
  if (shared.problems.length > 0) return refuse(limits.code, summary(shared.problems));
  return ok(new YamlDocument(shared, limits.code, document.contents));
}

function described({ code, message }: YAMLParseError): string {
  return code === 'MULTIPLE_DOCS'
    ? 'expected one document, found multiple documents; write each into a file of its own, without ---'
    : `${firstLine(message)}; look at the indentation and the quotes around this line`;
}

function firstLine(text: string): string {
  const line = text.split('\n', 1)[0] ?? text;
  return line.charAt(0).toLowerCase() + line.slice(1, 200);
}

function report(shared: Shared, offset: number, message: string): void {
  const line = Math.max(1, shared.lines.linePos(offset).line);
  shared.problems.push(`${shared.file}:${line}: ${message}`);
}

function summary(problems: readonly string[]): string {
  const rest = problems.length - MAX_PROBLEMS;
  const shown = problems.slice(0, MAX_PROBLEMS);
  return (rest > 0 ? [...shown, `and ${rest} more`] : shown).join('\n');
}

function strictness(document: Document, shared: Shared, maxDepth: number): void {
  for (const warning of document.warnings) {
    // Tags are refused below, known or not.
    if (warning.code === 'TAG_RESOLVE_FAILED') continue;
    report(shared, warning.pos[0], firstLine(warning.message));
  }
  visit(document, {
    Node(_, node, path) {
      const at = node.range?.[0] ?? 0;
      if (isAlias(node) || ('anchor' in node && node.anchor !== undefined)) {
        report(shared, at, 'expected no anchors or aliases; write the value out');
      } else if (node.tag !== undefined) {
        report(shared, at, `expected no tags, found ${node.tag.slice(0, 60)}`);
      }
      if (path.filter((above) => isMap(above) || isSeq(above)).length >= maxDepth) {
        report(shared, at, `expected at most ${maxDepth} levels of nesting`);
        return visit.BREAK;
      }
      return undefined;
    },
    Map(_, map) {
      const seen = new Set<string>();
      for (const pair of map.items) {
        const key = isScalar(pair.key) ? pair.key.value : undefined;
        const at = (pair.key as Node | null)?.range?.[0] ?? map.range?.[0] ?? 0;
        if (typeof key !== 'string') report(shared, at, 'expected a key that is text');
        else if (seen.has(key)) {
          report(shared, at, `expected every key once, found ${quote(key)} again`);
        } else seen.add(key);
      }
    },
  });
}

const quote = (value: unknown): string => JSON.stringify(String(value).slice(0, 80));

/** One parsed file: its root, and the problems that the accessors found. */
export class YamlDocument {
  readonly root: YamlNode;
  readonly #shared: Shared;
  readonly #code: ErrorCode;

  constructor(shared: Shared, code: ErrorCode, contents: unknown) {
    this.#shared = shared;
    this.#code = code;
    this.root = new YamlNode(shared, contents, 0);
  }

  /** True once an accessor has found a problem. */
  get failed(): boolean {
    return this.#shared.problems.length > 0;
  }

  /** What was built from the nodes; the collected `file:line: message` lines where any accessor failed. */
  finish<T>(value: T): Result<T> {
    return this.failed ? refuse(this.#code, summary(this.#shared.problems)) : ok(value);
  }
}

/** One value with its place. Every accessor answers `undefined` after collecting a message. */
export class YamlNode {
  readonly #shared: Shared;
  readonly #node: unknown;
  readonly #offset: number;

  constructor(shared: Shared, node: unknown, offset: number) {
    this.#shared = shared;
    this.#node = node;
    this.#offset = (node as Node | null | undefined)?.range?.[0] ?? offset;
  }

  /** `file:line` of the value, for messages. */
  get source(): string {
    return `${this.#shared.file}:${Math.max(1, this.#shared.lines.linePos(this.#offset).line)}`;
  }

  /** What the value is: to choose between accessors where a setting has several shapes. */
  get kind(): 'text' | 'number' | 'boolean' | 'nothing' | 'list' | 'mapping' {
    if (isMap(this.#node)) return 'mapping';
    if (isSeq(this.#node)) return 'list';
    const value = isScalar(this.#node) ? this.#node.value : null;
    if (typeof value === 'string') return 'text';
    if (typeof value === 'number' || typeof value === 'bigint') return 'number';
    return typeof value === 'boolean' ? 'boolean' : 'nothing';
  }

  /** Collects a message at this place. */
  fail(message: string): undefined {
    report(this.#shared, this.#offset, message);
    return undefined;
  }

  #expected(what: string): undefined {
    const scalar = isScalar(this.#node) && this.#node.value !== null ? this.#node : undefined;
    const found = scalar === undefined ? this.kind : (scalar.source ?? quote(scalar.value));
    const hint = what === 'text' && scalar !== undefined ? '; put it in quotes' : '';
    return this.fail(`expected ${what}, found ${found.slice(0, 80)}${hint}`);
  }

  /** A text that is not empty. */
  text(): string | undefined {
    if (this.kind !== 'text' || !isScalar(this.#node)) return this.#expected('text');
    const value = this.#node.value as string;
    if (!value.isWellFormed())
      return this.fail('expected Unicode text, found half a surrogate pair');
    return value === '' ? this.fail('expected text, found an empty one') : value;
  }

  /** One of a few words. */
  oneOf<const T extends string>(words: readonly T[]): T | undefined {
    const value = this.kind === 'text' ? this.text() : undefined;
    const found = words.find((word) => word === value);
    if (found !== undefined) return found;
    const near = value === undefined ? undefined : nearest(value, words);
    const hint = near === undefined ? '' : `; did you mean ${near}?`;
    const shown = isScalar(this.#node) ? quote(this.#node.value) : this.kind;
    return this.fail(`expected ${words.join(' or ')}, found ${shown}${hint}`);
  }

  /** `true` or `false`. */
  boolean(): boolean | undefined {
    if (this.kind !== 'boolean' || !isScalar(this.#node)) return this.#expected('true or false');
    return this.#node.value as boolean;
  }

  /** A whole number within bounds. */
  integer(min: number, max: number): number | undefined {
    const value = isScalar(this.#node) ? this.#node.value : undefined;
    if (typeof value === 'number' && Number.isSafeInteger(value) && value >= min && value <= max) {
      return value;
    }
    return this.#expected(`a whole number from ${min} to ${max}`);
  }

  /** The items of a list. */
  list(): readonly YamlNode[] | undefined {
    if (!isSeq(this.#node)) return this.#expected('a list');
    return this.#node.items.map((item) => new YamlNode(this.#shared, item, this.#offset));
  }

  /** The texts of a list; items that are none are collected as problems and left out. */
  texts(): readonly string[] | undefined {
    return this.list()?.flatMap((item) => item.text() ?? []);
  }

  /** The members of a mapping that has no other keys than the known ones. */
  mapping<const K extends string>(known: readonly K[]): YamlMapping<K> | undefined {
    if (!isMap(this.#node)) return this.#expected('a mapping');
    const members = new Map<string, YamlNode>();
    for (const pair of this.#node.items) {
      const name = isScalar(pair.key) ? String(pair.key.value) : '';
      const at = (pair.key as Node | null)?.range?.[0] ?? this.#offset;
      if ((known as readonly string[]).includes(name)) {
        members.set(name, new YamlNode(this.#shared, pair.value, at));
        continue;
      }
      const near = nearest(name, known);
      const hint = near === undefined ? `known are ${known.join(', ')}` : `did you mean "${near}"?`;
      report(this.#shared, at, `expected a known key, found ${quote(name)}; ${hint}`);
    }
    return new YamlMapping<K>(this, members);
  }
}

/** A mapping's members by their known keys. */
export class YamlMapping<K extends string> {
  /** The mapping itself: for messages about it as a whole. */
  readonly node: YamlNode;
  readonly #members: ReadonlyMap<string, YamlNode>;

  constructor(node: YamlNode, members: ReadonlyMap<string, YamlNode>) {
    this.node = node;
    this.#members = members;
  }

  /** The member, or `undefined` where the key is not written (a key without a value is a problem, not an absence). */
  get(key: K): YamlNode | undefined {
    return this.#members.get(key);
  }

  /** The member; a missing one is collected as a problem. */
  need(key: K): YamlNode | undefined {
    return this.#members.get(key) ?? this.node.fail(`expected the key "${key}", found none`);
  }
}
