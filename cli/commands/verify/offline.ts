import type { LRUCache } from 'lru-cache';
import { CountersignError, codeOf } from '../../../src/lib/errors.ts';
import { LIMITS } from '../../../src/lib/limits.ts';
import { mapParallel } from '../../../src/lib/parallel.ts';
import type { RegistryClient } from '../../../src/oci/client.ts';
import type { Digest } from '../../../src/oci/digest.ts';
import { shortDigest } from '../../../src/oci/digest.ts';
import { parseManifest } from '../../../src/oci/manifest.ts';
import { kindOf } from '../../../src/oci/media-types.ts';
import type { Reference, Repository } from '../../../src/oci/reference.ts';
import { formatReference } from '../../../src/oci/reference.ts';
import { decide } from '../../../src/policy/decide.ts';
import type { DecisionJson } from '../../../src/policy/decision-json.ts';
import type { Decision } from '../../../src/policy/decision.ts';
import { askedBy, askedOf, govern, isSettled } from '../../../src/policy/match.ts';
import { asksMap, meantTag } from '../../../src/policy/meant-tag.ts';
import type { PolicySet } from '../../../src/policy/policy.ts';
import type { Finding } from '../../../src/trust/format.ts';
import { VERIFIERS, isEvidenceTag } from '../../../src/trust/formats.ts';
import { openOffline } from './on-record.ts';
import type { ReadTrustData } from './trust-data.ts';

/** What offline judging cannot know: it is the record of the Countersign that serves the image. */
export const UNCHECKED = ['revocations'] as const;

/**
 * The same of one decision: where trust data spoke, also whether a signer's file was published for another
 * repository first, which a Countersign takes for a copy.
 */
export function uncheckedOf({ findings }: Pick<DecisionJson, 'findings'>): readonly string[] {
  const map = findings.some(({ format, status }) => format === 'dct' && status === 'valid');
  return map ? [...UNCHECKED, 'copied trust data'] : UNCHECKED;
}

/** As many tags as the gate looks at for the index that contains an unknown digest. */
const SEARCH_TAGS = 50;
const WIDTH = 8;

/** What offline judging works with. */
export interface OfflineGround {
  readonly client: RegistryClient;
  readonly policies: PolicySet;
  /** The other names of the image's host. */
  readonly aliases: readonly string[];
  readonly now: Date;
  /** The trust data are read from where their server is. */
  readonly trustData: ReadTrustData;
  /** Remembers evidence by repository and digest, for whoever judges many tags. */
  readonly memo?: EvidenceMemo;
}

/** Evidence that was read, by repository and digest. */
export type EvidenceMemo = LRUCache<string, Promise<readonly Finding[]>>;

/**
 * Judges a pull by policies and the registry's evidence alone, as the gate would but for what only
 * its record knows. The tag is resolved once, and what it meant then is judged. Throws
 * MANIFEST_UNKNOWN for no such image, and what the client throws.
 */
export async function judgeOffline(ground: OfflineGround, image: Reference): Promise<Decision> {
  const decision = await judgeImage(ground, image);
  if (decision.reason.code !== 'NOT_TRUSTED') return decision;
  const { policies, aliases, now, trustData } = ground;
  const governing = govern(policies, image.repository, aliases);
  if (governing === null || !askedBy(governing).formats.includes('dct')) return decision;
  const { authorities } = policies;
  // It was read for the decision: a server that failed then has made it another one.
  const data = await trustData(image.repository).catch(() => null);
  return openOffline(decision, { governing, authorities, data, now });
}

async function judgeImage(ground: OfflineGround, image: Reference): Promise<Decision> {
  const { client } = ground;
  if (image.digest === undefined) {
    const tag = image.tag ?? 'latest';
    const signed = await signedTag(ground, image, tag);
    if (signed !== null) {
      if (!(await client.hasManifest(image.path, signed))) throw unknown(image);
      return judge(ground, image, signed, tag);
    }
    const found = await client.manifest(image.path, tag);
    if (found === null) throw unknown(image);
    return judge(ground, image, found.digest, tag);
  }
  if (!(await client.hasManifest(image.path, image.digest))) throw unknown(image);
  const own = await judge(ground, image, image.digest, null);
  if (own.reason.code !== 'NOT_TRUSTED') return own;
  return (await inherited(ground, image, image.digest, own)) ?? own;
}

/** What the signed map says that the tag is, where the policy says so and it has the tag. */
async function signedTag(
  { policies, aliases, trustData }: OfflineGround,
  { repository }: Reference,
  tag: string,
): Promise<Digest | null> {
  const governing = govern(policies, repository, aliases);
  if (!asksMap(governing)) return null;
  return meantTag(governing, await trustData(repository), tag, policies.authorities, []);
}

async function judge(
  { client, policies, aliases, now, memo, trustData }: OfflineGround,
  image: Reference,
  digest: Digest,
  tag: string | null,
): Promise<Decision> {
  const { repository } = image;
  const governing = govern(policies, repository, aliases);
  const subject = { action: 'pull', repository, digest, tag, revocations: [] } as const;
  const first = decide(governing, subject, [], now);
  // What no evidence can change is not worth a question to the registry.
  if (governing === null || isSettled(first)) return first;
  const { authorities, verifiers } = askedOf(governing, policies.authorities, VERIFIERS);
  const source = {
    ...client.evidence(image.path),
    trustData: () => trustData(repository),
  };
  const read = async (): Promise<readonly Finding[]> => {
    const found = verifiers.map((one) =>
      one.verify({ repository, digest, tag }, source, authorities),
    );
    return (await Promise.all(found)).flat();
  };
  const key = `${repository}\n${digest}\n${askedBy(governing).bindsTag ? (tag ?? '') : ''}`;
  const findings = await remembered(memo, key, read);
  return decide(governing, subject, findings, now);
}

/** What the memo holds, or what is read now; trouble with reading is nothing to remember (T-57). */
async function remembered(
  memo: EvidenceMemo | undefined,
  key: string,
  read: () => Promise<readonly Finding[]>,
): Promise<readonly Finding[]> {
  const reading = memo?.get(key) ?? read();
  memo?.set(key, reading);
  let whole = false;
  try {
    const findings = await reading;
    whole = findings.every((finding) => finding.status !== 'inconclusive');
    return findings;
  } finally {
    if (!whole) memo?.delete(key);
  }
}

/** The allow that a digest inherits from an index that contains it, among the first tags of its repository. */
async function inherited(
  ground: OfflineGround,
  image: Reference,
  digest: Digest,
  own: Decision,
): Promise<Decision | null> {
  const tags = (await ground.client.tags(image.path)).filter((tag) => !isEvidenceTag(tag));
  const roots = await mapParallel(tags.slice(0, SEARCH_TAGS), WIDTH, async (tag) => {
    const found = await readable(ground.client, image.path, tag);
    return found === null ? [] : parentsOf(ground.client, image.path, found, digest);
  });
  let unsure: Decision | null = null;
  for (const parent of new Set(roots.flat())) {
    const verdict = await judge(ground, image, parent, null);
    const subject = own.subject;
    if (verdict.decision === 'allow') {
      const message = `${name(image.repository, digest)} is part of ${shortDigest(parent)}: ${verdict.reason.message}`;
      return { ...verdict, subject, reason: { code: 'CHILD', message: message.slice(0, 180) } };
    }
    if (verdict.reason.code === 'CANNOT_VERIFY') unsure = { ...verdict, subject };
  }
  return unsure;
}

type Read = Awaited<ReturnType<RegistryClient['manifest']>>;

/** A manifest, or `null` also where it may not be read: what cannot be read admits nothing. */
async function readable(client: RegistryClient, path: string, reference: string): Promise<Read> {
  try {
    return await client.manifest(path, reference);
  } catch (error) {
    if (codeOf(error) === 'FORBIDDEN') return null;
    throw error;
  }
}

/** Every index, from a root down, through which the digest is reached; the root included. */
async function parentsOf(
  client: RegistryClient,
  path: string,
  root: NonNullable<Read>,
  wanted: Digest,
  depth: number = LIMITS.indexDepth,
): Promise<readonly Digest[]> {
  const manifest = parseManifest(root.bytes, root.mediaType);
  if (!manifest.ok || manifest.value.kind !== 'index' || depth === 0) return [];
  const children = manifest.value.manifests;
  if (children.some((child) => child.digest === wanted)) return [root.digest];
  for (const child of children) {
    if (kindOf(child.mediaType) !== 'index') continue;
    const read = await readable(client, path, child.digest);
    const below = read === null ? [] : await parentsOf(client, path, read, wanted, depth - 1);
    if (below.length > 0) return [...below, root.digest];
  }
  return [];
}

const name = (repository: Repository, digest: Digest): string =>
  `${repository}@${shortDigest(digest)}`;

function unknown(image: Reference): CountersignError {
  return new CountersignError(
    'MANIFEST_UNKNOWN',
    `expected an image ${formatReference(image)} in the registry, found none`,
  );
}
