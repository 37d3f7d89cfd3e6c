import type { Node } from 'yaml';
import { isMap, isScalar, isSeq } from 'yaml';
import type { ErrorCode } from './errors.ts';
import { nearest } from './nearest.ts';
import { quote } from './quote.ts';
import type { Result } from './result.ts';
import { ok, refuse } from './result.ts';
import type { YamlProblems } from './yaml-problems.ts';
import { report, summary } from './yaml-problems.ts';

/** One parsed file: its root, and the problems that the accessors found. */
export class YamlDocument {
  readonly root: YamlNode;
  readonly #shared: YamlProblems;
  readonly #code: ErrorCode;

  constructor(shared: YamlProblems, code: ErrorCode, contents: unknown) {
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
  readonly #shared: YamlProblems;
  readonly #node: unknown;
  readonly #offset: number;

  constructor(shared: YamlProblems, node: unknown, offset: number) {
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
    const found = scalar === undefined ? this.kind : (scalar.source ?? quote(String(scalar.value)));
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
    const shown = isScalar(this.#node) ? quote(String(this.#node.value)) : this.kind;
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
