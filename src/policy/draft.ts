import { quote } from '../lib/quote.ts';
import type { YamlDocument, YamlNode } from '../lib/yaml-node.ts';
import type { FormatName } from '../trust/format.ts';
import { NAME } from './fields.ts';
import { MAX_NAME } from './message.ts';
import type { PatternHosts } from './pattern.ts';
import type { Pattern, Policy } from './policy.ts';

/** What reading a policy file depends on besides its bytes. */
export interface SchemaOptions extends PatternHosts {
  /** The signature formats of this build. */
  readonly formats: readonly FormatName[];
}

/** A value with the place it was read from, for messages about how it fits the rest. */
export interface Placed<T> {
  readonly value: T;
  readonly node: YamlNode;
}

/** An authority as written: its keys are still file names. */
export interface AuthorityDraft {
  readonly name: string;
  readonly node: YamlNode;
  readonly keys: readonly Placed<string>[];
}

/** A policy as written, with the places that the whole set is checked against. */
export interface PolicyDraft {
  readonly policy: Policy;
  readonly node: YamlNode;
  readonly patterns: readonly Placed<Pattern>[];
  /** Every authority that the policy names. */
  readonly asked: readonly Placed<string>[];
  /** Every root that the policy and its rules pin, as written. */
  readonly roots: readonly Placed<string>[];
}

/** One policy file as read; its problems are collected in `document`. */
export interface FileDraft {
  readonly document: YamlDocument;
  readonly authorities: readonly AuthorityDraft[];
  readonly policies: readonly PolicyDraft[];
}

/** Pairs a value with its place; `undefined` stays `undefined`. */
export function placed<T>(node: YamlNode, value: T | undefined): Placed<T> | undefined {
  return value === undefined ? undefined : { value, node };
}

/** Reads the name of an authority or policy. */
export function readName(node: YamlNode | undefined): string | undefined {
  const name = node?.text();
  if (name === undefined || node === undefined || NAME.test(name)) return name;
  return node.fail(
    `expected a name of at most ${MAX_NAME} letters, digits and . _ + @ -, beginning with a letter or digit, found ${quote(name)}`,
  );
}
