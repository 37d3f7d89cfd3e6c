import { nearest } from '../lib/nearest.ts';
import { quote } from '../lib/quote.ts';
import { parseDuration } from '../lib/time.ts';
import type { YamlNode } from '../lib/yaml-node.ts';
import type { Repository } from '../oci/reference.ts';
import { parseRepository } from '../oci/reference.ts';
import type { Authority, Finding, FormatName } from '../trust/format.ts';
import type { DecisionSubject } from './decision.ts';
import { FORMAT_NAMES } from './fields.ts';
import type { PolicySet } from './policy.ts';

const SIGNATURE_KEYS = ['by', 'format', 'age', 'tag', 'name', 'status'] as const;
const STATUSES = ['valid', 'invalid', 'inconclusive'] as const;

/** What fixtures are read against. */
export interface FixtureOptions {
  readonly set: PolicySet;
  readonly registryHost: string;
  /** The instant of cases in a file that names none. */
  readonly now: Date;
}

/** The image that a case is about. */
export type FixtureImage = Pick<DecisionSubject, 'repository' | 'digest' | 'tag'>;

/** A supposed signature: what a verifier would have found, before a key is taken for an authority's. */
export interface FixtureSignature extends Omit<Finding, 'authority'> {}

/** A name as written in a fixture, `${registry}` filled in. */
export const filled = (text: string, options: FixtureOptions): string =>
  text.replace(/^\$\{registry\}(?=\/)/, options.registryHost);

/** Reads one supposed signature; `undefined` after collecting what is wrong. */
export function readSignature(
  node: YamlNode,
  asked: FixtureImage,
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

/** Reads what a case supposes revoked. */
export function readRevoked(
  node: YamlNode | undefined,
  { repository, digest, tag }: FixtureImage,
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
