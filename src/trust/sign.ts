import type { Signer } from '../keys/key.ts';
import { CountersignError } from '../lib/errors.ts';
import { LIMITS } from '../lib/limits.ts';
import { mapParallel } from '../lib/parallel.ts';
import { unwrap } from '../lib/result.ts';
import type { Digest } from '../oci/digest.ts';
import { shortDigest } from '../oci/digest.ts';
import type { Manifest } from '../oci/manifest.ts';
import { parseManifest } from '../oci/manifest.ts';
import { kindOf } from '../oci/media-types.ts';
import type { EvidenceSink, EvidenceSource, FormatName, SignRequest, Subject } from './format.ts';

// Images signed at a time: each has a signature tag of its own, so they do not get in each other's way.
const WIDTH = 4;

/** One format as {@link signImage} writes it; every SignatureFormat is one. */
export interface ImageSigner {
  readonly name: FormatName;
  /** True for a format that signs names: what an index contains has none, and is not signed in it. */
  readonly onlyImage?: boolean;
  /**
   * Asks for all that signing the image will need; writes nothing. {@link signImage} calls it before any
   * format writes, so that a question without an answer leaves nothing half signed.
   */
  prepare?(request: SignRequest): Promise<void>;
  /** Signs and stores, idempotently; `null` where the format was passed over, and the person was told why. */
  sign(
    request: SignRequest,
    signer: Signer,
    sink: EvidenceSink,
  ): Promise<{ readonly written: boolean } | null>;
}

/** What {@link signImage} is asked to do. */
export interface ImageSigning {
  readonly subject: Subject;
  /** The tag that the signatures name, on the children too: engines check the child under the tag that was pulled. */
  readonly tag: string | null;
  readonly signer: Signer;
  readonly formats: readonly ImageSigner[];
  readonly annotations: Readonly<Record<string, string>>;
  readonly sink: EvidenceSink;
  /** Sign an index's children too (the default): containers/image looks at the child only. */
  readonly recursive?: boolean;
  /** See {@link SignRequest.renew}. */
  readonly renew?: boolean;
}

/** One signature, written now or found to be there. */
export interface SignedImage {
  readonly digest: Digest;
  readonly format: FormatName;
  readonly written: boolean;
}

/**
 * Signs an image, or an index with all it contains, children first, so that an index that carries
 * a signature never has a child without one. Throws MANIFEST_UNKNOWN where the registry lacks a
 * manifest, and what the formats throw; what was written before a failure stays, and the same call
 * again completes it.
 */
export async function signImage(signing: ImageSigning): Promise<readonly SignedImage[]> {
  const {
    subject,
    tag,
    signer,
    formats,
    annotations,
    sink,
    recursive = true,
    renew = false,
  } = signing;
  await prepareImage(signing);
  const groups = recursive ? await descendants(subject.digest, sink) : [];
  const signOne = async (digest: Digest): Promise<SignedImage[]> => {
    const out: SignedImage[] = [];
    for (const format of formats) {
      if (format.onlyImage === true && digest !== subject.digest) continue;
      const request = { repository: subject.repository, digest, tag, annotations, renew };
      const signature = await format.sign(request, signer, sink);
      if (signature !== null) out.push({ digest, format: format.name, ...signature });
    }
    return out;
  };
  const signed: SignedImage[] = [];
  for (const group of [...groups, [subject.digest]]) {
    signed.push(...(await mapParallel(group, WIDTH, signOne)).flat());
  }
  return signed;
}

/**
 * Asks for all that signing an image will need, in every format; writes nothing. {@link signImage} does it
 * first; who signs several images asks for all of them before the first is signed. Throws what the formats throw.
 */
export async function prepareImage({
  subject,
  tag,
  annotations,
  formats,
  renew = false,
}: Pick<ImageSigning, 'subject' | 'tag' | 'annotations' | 'formats' | 'renew'>): Promise<void> {
  for (const format of formats) {
    await format.prepare?.({ ...subject, tag, annotations, renew });
  }
}

/**
 * Everything an index contains, without itself, in groups: what a member of a group contains stands
 * in an earlier one. Nothing for an image. Throws MANIFEST_UNKNOWN for a manifest that is missing,
 * MANIFEST_INVALID for one that is malformed, or more or deeper than `lib/limits.ts` allows.
 */
async function descendants(
  root: Digest,
  source: EvidenceSource,
): Promise<readonly (readonly Digest[])[]> {
  const depthOf = new Map<Digest, number>();
  let indexes: readonly Digest[] = [root];
  for (let depth = 0; indexes.length > 0; depth++) {
    if (depth > LIMITS.indexDepth) {
      throw tooLarge(root, `indexes nested at most ${LIMITS.indexDepth} deep`);
    }
    const manifests = await mapParallel(indexes, WIDTH, async (digest) =>
      read(digest, root, source),
    );
    const children = manifests.flatMap((m) => (m.kind === 'index' ? m.manifests : []));
    // Met again further down, a manifest moves there: it must be signed before all that contain it.
    for (const child of children) depthOf.set(child.digest, depth);
    if (depthOf.size > LIMITS.descriptors) {
      throw tooLarge(root, `at most ${LIMITS.descriptors} manifests`);
    }
    // What the descriptor calls an image is one: if it were an index, its children stay unsigned and refused.
    const below = children.filter((child) => kindOf(child.mediaType) === 'index');
    indexes = [...new Set(below.map((child) => child.digest))];
  }
  const groups = Array.from({ length: LIMITS.indexDepth + 1 }, (): Digest[] => []);
  for (const [digest, depth] of depthOf) groups[LIMITS.indexDepth - depth]?.push(digest);
  return groups;
}

function tooLarge(root: Digest, expected: string): CountersignError {
  return new CountersignError('MANIFEST_INVALID', `expected ${expected} in ${shortDigest(root)}`);
}

async function read(digest: Digest, root: Digest, source: EvidenceSource): Promise<Manifest> {
  const answer = await source.manifest(digest);
  if (answer === null) {
    throw new CountersignError(
      'MANIFEST_UNKNOWN',
      digest === root
        ? `the registry has no manifest ${shortDigest(digest)}; push it first`
        : `the registry has no manifest ${shortDigest(digest)}, which ${shortDigest(root)} contains; push it first, or sign without what the index contains (--no-recursive)`,
    );
  }
  return unwrap(parseManifest(answer.bytes, answer.mediaType));
}
