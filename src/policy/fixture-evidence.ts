import { sha256Hex } from '../lib/bytes.ts';
import { nearest } from '../lib/nearest.ts';
import { quote } from '../lib/quote.ts';
import { parseDuration, parseInstant } from '../lib/time.ts';
import type { YamlNode } from '../lib/yaml-node.ts';
import type { Repository } from '../oci/reference.ts';
import { parseRepository } from '../oci/reference.ts';
import type { Authority, Finding, FormatName, MapEntry } from '../trust/format.ts';
import { REPOSITORY } from '../trust/format.ts';
import type { DecisionSubject } from './decision.ts';
import { FORMAT_NAMES } from './fields.ts';
import type { PolicySet } from './policy.ts';

const SIGNATURE_KEYS = ['by', 'format', 'age', 'tag', 'name', 'status', 'entry'] as const;
const ENTRY_KEYS = ['current', 'contradictedBy', 'standsOn', 'expires', 'root'] as const;
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

/** Stands for the key that the repository itself signs with: it has none in a policy. */
export const REPOSITORY_KEY = sha256Hex(REPOSITORY.name);

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
  const entry = readEntry(fields.get('entry'), now, options.set.authorities);
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
    ...(format === 'dct' ? { entry } : {}),
  };
}

/** A `dct` signature's place in the signed map: one that stands and that nobody contradicts, unless it says otherwise. */
function readEntry(
  node: YamlNode | undefined,
  now: Date,
  authorities: readonly Authority[],
): MapEntry {
  const fields = node?.mapping(ENTRY_KEYS);
  const contradictedBy = (fields?.get('contradictedBy')?.list() ?? []).flatMap((item) => {
    const keyId = readKey(item, authorities)?.[0];
    const [authority = ''] = item.text()?.split('/') ?? [];
    return keyId === undefined ? [] : [{ authority, keyId }];
  });
  const expires = fields?.get('expires');
  const end = parseInstant(expires?.text() ?? '');
  if (expires !== undefined && end === undefined) {
    expires.fail('expected an instant such as 2026-06-01T00:00:00Z under "expires"');
  }
  const root = fields?.get('root')?.text();
  const standsOn = (fields?.get('standsOn')?.list() ?? []).flatMap(
    (item) => readKey(item, authorities)?.[0] ?? [],
  );
  return {
    current: fields?.get('current')?.boolean() ?? true,
    contradictedBy,
    standsOn,
    expires: end ?? new Date(now.getTime() + YEAR_MS),
    root: { signers: root === undefined ? [] : [[root]], threshold: 1 },
  };
}

const YEAR_MS = 365 * 86_400_000;

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
  if (text === REPOSITORY.name) return [REPOSITORY_KEY];
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
