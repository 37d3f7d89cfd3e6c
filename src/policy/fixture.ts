import { LIMITS } from '../lib/limits.ts';
import { quote } from '../lib/quote.ts';
import type { Result } from '../lib/result.ts';
import { parseInstant } from '../lib/time.ts';
import type { YamlNode } from '../lib/yaml-node.ts';
import { readYaml } from '../lib/yaml.ts';
import type { Digest } from '../oci/digest.ts';
import { digestOf, parseDigest } from '../oci/digest.ts';
import type { Reference } from '../oci/reference.ts';
import { parseReference, withDefaultTag } from '../oci/reference.ts';
import type { Action, DecisionSubject } from './decision.ts';
import type { FixtureOptions, FixtureSignature } from './fixture-evidence.ts';
import { filled, readRevoked, readSignature } from './fixture-evidence.ts';

const CASE_KEYS = [
  'name',
  'image',
  'digest',
  'action',
  'signatures',
  'revoked',
  'now',
  'expect',
  'code',
  'message',
] as const;
const MAX_CASES = 1000;

/** A digest for cases that name none; it is no image's. */
const ANY_DIGEST = digestOf(Buffer.from('countersign policy test'));

/** One case of a fixture file. */
export interface FixtureCase {
  readonly name: string;
  /** `file:line`. */
  readonly source: string;
  readonly subject: DecisionSubject;
  readonly signatures: readonly FixtureSignature[];
  readonly now: Date;
  readonly expected: {
    readonly decision: 'allow' | 'deny';
    /** The reason code, where the case names one. */
    readonly code: string | undefined;
    /** A part of the message, where the case names one. */
    readonly message: string | undefined;
  };
}

/** Reads a fixture file for `policy test`. Refuses with POLICY_INVALID and every problem as `file:line: …`. */
export function readFixture(
  bytes: Uint8Array,
  file: string,
  options: FixtureOptions,
): Result<readonly FixtureCase[]> {
  const parsed = readYaml(bytes, file, {
    code: 'POLICY_INVALID',
    maxBytes: LIMITS.policyFileBytes,
    maxDepth: 12,
  });
  if (!parsed.ok) return parsed;
  const root = parsed.value.root.mapping(['version', 'now', 'cases']);
  root?.need('version')?.integer(1, 1);
  const now = readInstant(root?.get('now')) ?? options.now;
  const cases = root?.need('cases');
  const list = cases?.list() ?? [];
  if (cases?.kind === 'list' && (list.length === 0 || list.length > MAX_CASES)) {
    cases.fail(`expected 1 to ${MAX_CASES} cases, found ${list.length}`);
  }
  const read = list
    .slice(0, MAX_CASES)
    .flatMap((node) => readCase(node, { ...options, now }) ?? []);
  return parsed.value.finish(read);
}

function readCase(node: YamlNode, options: FixtureOptions): FixtureCase | undefined {
  const fields = node.mapping(CASE_KEYS);
  if (fields === undefined) return undefined;
  const name = fields.need('name')?.text();
  const image = readImage(fields.need('image'), options);
  const digest = readDigest(fields.get('digest')) ?? image?.digest ?? ANY_DIGEST;
  const action: Action = fields.get('action')?.oneOf(['pull', 'push']) ?? 'pull';
  const now = readInstant(fields.get('now')) ?? options.now;
  const decision = fields.need('expect')?.oneOf(['allow', 'deny']);
  const code = fields.get('code')?.text();
  const message = fields.get('message')?.text();
  if (name === undefined || image === undefined || decision === undefined) return undefined;
  const { repository, tag = null } = image;
  const asked = { repository, digest, tag };
  const signatures = (fields.get('signatures')?.list() ?? []).flatMap(
    (item) => readSignature(item, asked, now, options) ?? [],
  );
  const revocations = readRevoked(fields.get('revoked'), asked, options.set.authorities);
  return {
    name,
    source: node.source,
    subject: { action, ...asked, revocations },
    signatures,
    now,
    expected: { decision, code, message },
  };
}

function readImage(node: YamlNode | undefined, options: FixtureOptions): Reference | undefined {
  const text = node?.text();
  if (node === undefined || text === undefined) return undefined;
  const reference = parseReference(filled(text, options));
  return reference.ok ? withDefaultTag(reference.value) : node.fail(reference.refusal.message);
}

function readDigest(node: YamlNode | undefined): Digest | undefined {
  const text = node?.text();
  if (node === undefined || text === undefined) return undefined;
  const digest = parseDigest(text);
  return digest.ok ? digest.value : node.fail(digest.refusal.message);
}

function readInstant(node: YamlNode | undefined): Date | undefined {
  const text = node?.text();
  if (node === undefined || text === undefined) return undefined;
  return (
    parseInstant(text) ??
    node.fail(`expected an instant such as 2026-06-01T00:00:00Z, found ${quote(text)}`)
  );
}
