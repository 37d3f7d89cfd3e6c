import { LIMITS } from '../lib/limits.ts';
import { nearest } from '../lib/nearest.ts';
import { quote } from '../lib/quote.ts';
import type { Result } from '../lib/result.ts';
import { parseDuration, parseInstant } from '../lib/time.ts';
import type { YamlNode } from '../lib/yaml-node.ts';
import { readYaml } from '../lib/yaml.ts';
import type { Digest } from '../oci/digest.ts';
import { digestOf, parseDigest } from '../oci/digest.ts';
import type { Reference, Repository } from '../oci/reference.ts';
import { parseReference, parseRepository, withDefaultTag } from '../oci/reference.ts';
import type { Authority, Finding, FormatName } from '../trust/format.ts';
import type { Action, DecisionSubject } from './decision.ts';
import { FORMAT_NAMES } from './fields.ts';
import type { PolicySet } from './policy.ts';

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
const SIGNATURE_KEYS = ['by', 'format', 'age', 'tag', 'name', 'status'] as const;
const STATUSES = ['valid', 'invalid', 'inconclusive'] as const;
const MAX_CASES = 1000;

/** A digest for cases that name none; it is no image's. */
const ANY_DIGEST = digestOf(Buffer.from('countersign policy test'));

/** A supposed signature: what a verifier would have found, before a key is taken for an authority's. */
export interface FixtureSignature extends Omit<Finding, 'authority'> {}

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

/** What fixtures are read against. */
export interface FixtureOptions {
  readonly set: PolicySet;
  readonly registryHost: string;
  /** The instant of cases in a file that names none. */
  readonly now: Date;
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

type Asked = Pick<DecisionSubject, 'repository' | 'digest' | 'tag'>;

const filled = (text: string, options: FixtureOptions): string =>
  text.replace(/^\$\{registry\}(?=\/)/, options.registryHost);

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

function readSignature(
  node: YamlNode,
  asked: Asked,
  now: Date,
  options: FixtureOptions,
): FixtureSignature | undefined {
  const fields = node.mapping(SIGNATURE_KEYS);
  if (fields === undefined) return undefined;
  const status = fields.get('status')?.oneOf(STATUSES) ?? 'valid';
  const by = status === 'valid' ? fields.need('by') : fields.get('by');
  const key = by === undefined ? null : readKey(by, options.set.authorities)?.[0];
  const format: FormatName = fields.get('format')?.oneOf(FORMAT_NAMES) ?? 'cosign';
  const tagNode = fields.get('tag');
  const tag = tagNode?.kind === 'nothing' ? null : (tagNode?.text() ?? asked.tag);
  const repository = readSignedName(fields.get('name'), options) ?? asked.repository;
  const signedAt = readAge(fields.get('age'), now);
  if (key === undefined) return undefined;
  return {
    format,
    keyId: key,
    status,
    reason: `as the fixture says at ${node.source}`,
    signed: { repository, tag },
    signedAt,
    evidence: null,
    annotations: {},
  };
}

function readSignedName(
  node: YamlNode | undefined,
  options: FixtureOptions,
): Repository | undefined {
  const text = node?.text();
  if (node === undefined || text === undefined) return undefined;
  const repository = parseRepository(filled(text, options));
  return repository.ok ? repository.value : node.fail(repository.refusal.message);
}

/** `age: 3d`, or `age: none` for a signature without a time; freshly signed where it is not given. */
function readAge(node: YamlNode | undefined, now: Date): Finding['signedAt'] {
  const text = node?.text() ?? '0s';
  if (text === 'none') return null;
  const age = parseDuration(text);
  if (age === undefined) node?.fail(`expected an age such as 3d, or none, found ${quote(text)}`);
  return { time: new Date(now.getTime() - (age ?? 0)), trusted: false };
}

/** The key ids of `release-bot` (all of them, its first one first) or of `release-bot/2` (its second). */
function readKey(node: YamlNode, authorities: readonly Authority[]): readonly string[] | undefined {
  const text = node.text();
  if (text === undefined) return undefined;
  const [name = '', number] = text.split('/');
  const authority = authorities.find((each) => each.name === name);
  if (authority === undefined) {
    const known = authorities.map((each) => each.name);
    const near = nearest(name, known);
    const hint = near === undefined ? `known are ${known.join(', ')}` : `did you mean ${near}?`;
    return node.fail(`expected a known authority, found ${quote(name)}; ${hint}`);
  }
  const ids = authority.keys.map((key) => key.id);
  if (number === undefined) return ids;
  const id = /^[1-9][0-9]{0,3}$/.test(number) ? ids[Number(number) - 1] : undefined;
  return id === undefined
    ? node.fail(`expected ${name}/1 to ${name}/${ids.length}, found ${quote(text)}`)
    : [id];
}

function readRevoked(
  node: YamlNode | undefined,
  { repository, digest, tag }: Asked,
  authorities: readonly Authority[],
): DecisionSubject['revocations'] {
  const fields = node?.mapping(['digest', 'tag', 'keys']);
  const reason = 'as the fixture says';
  const keys = (fields?.get('keys')?.list() ?? []).flatMap(
    (item) => readKey(item, authorities) ?? [],
  );
  return [
    ...(fields?.get('digest')?.boolean() === true
      ? [{ kind: 'digest' as const, repository, digest, reason }]
      : []),
    ...(fields?.get('tag')?.boolean() === true && tag !== null
      ? [{ kind: 'tag' as const, repository, tag, reason }]
      : []),
    ...keys.map((keyId) => ({ kind: 'key' as const, keyId, reason })),
  ];
}
