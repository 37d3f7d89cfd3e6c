import { CountersignError } from '../../../src/lib/errors.ts';
import { eachParallel } from '../../../src/lib/parallel.ts';
import type { Repository } from '../../../src/oci/reference.ts';
import { formatReference } from '../../../src/oci/reference.ts';
import { targetOf } from '../../../src/trust/dct/sign-tag.ts';
import type { TagSigner } from '../../../src/trust/dct/tag-signer.ts';
import type { FileMeta } from '../../../src/tuf/file-meta.ts';
import type { Reviewed } from './review.ts';
import type { LineSigner, SignedLine } from './sign-line.ts';
import { lineEnded, lineFailed } from './sign-line.ts';

/** Images at a time. */
const WIDTH = 4;
/**
 * A digest under more tags than this gets one signature for the repository instead of one that names
 * each tag: of one digest only so many signatures count (LIMITS.signatures), and others sign too.
 */
const NAMED_TAGS = 16;

/** What the lines of one repository are signed with. */
export interface RepositoryPorts {
  readonly lines: LineSigner;
  /** What signs tags; `null` where they are not signed. */
  readonly tags: TagSigner | null;
  readonly signal: AbortSignal;
  /** Told of each line once it has come to its end; it may throw to end all. */
  readonly ended: (line: SignedLine) => void;
}

/**
 * Signs the reviewed images of one repository: first what its tags are, all of them in one publish, then
 * digest by digest. In this order, because a gate that asks for signed tags shows an index, and so what
 * it contains, only from then on. Throws what `ended` throws, and an abort.
 */
export async function signRepository(
  images: readonly Reviewed[],
  { lines, tags, signal, ended }: RepositoryPorts,
): Promise<void> {
  const fit: Reviewed[] = [];
  const targets = new Map<string, FileMeta>();
  await eachParallel(images, WIDTH, async (image) => {
    signal.throwIfAborted();
    try {
      const unfit = await lines.unfit(image);
      if (unfit === null) {
        if (tags !== null && image.tag !== undefined)
          addTarget(targets, image, await lines.size(image));
        fit.push(image);
        return;
      }
      ended(unfit);
    } catch (error) {
      signal.throwIfAborted();
      ended(lineFailed(image, error));
    }
  });
  signal.throwIfAborted();
  const { written, failure } = await signMap(tags, fit[0]?.repository, targets);
  await eachParallel(byDigest(fit), WIDTH, async (group) => {
    // Those of one digest go to one signature tag: one after the other, so that none waits for another.
    for (const image of group) {
      signal.throwIfAborted();
      const line = await signLine(lines, image, group.length <= NAMED_TAGS, {
        written: written && image.tag !== undefined,
        failure: image.tag === undefined ? null : failure,
      });
      signal.throwIfAborted();
      ended(line);
    }
  });
}

interface MapOutcome {
  readonly written: boolean;
  readonly failure: unknown;
}

async function signMap(
  tags: TagSigner | null,
  gun: Repository | undefined,
  targets: ReadonlyMap<string, FileMeta>,
): Promise<MapOutcome> {
  if (tags === null || gun === undefined || targets.size === 0)
    return { written: false, failure: null };
  try {
    return { written: (await tags.sign(gun, targets, false)) === true, failure: null };
  } catch (error) {
    return { written: false, failure: error };
  }
}

async function signLine(
  lines: LineSigner,
  image: Reviewed,
  nameTag: boolean,
  map: MapOutcome,
): Promise<SignedLine> {
  try {
    const written = await lines.sign(image, nameTag);
    if (map.failure !== null) return lineFailed(image, map.failure);
    const refused = await lines.stillRefused(image);
    return lineEnded(image, written || map.written ? 'signed' : 'signed-before', { refused });
  } catch (error) {
    return lineFailed(image, error);
  }
}

function addTarget(targets: Map<string, FileMeta>, image: Reviewed, length: number): void {
  const { tag = '', digest } = image;
  const entry = targetOf({ digest, length });
  const other = targets.get(tag);
  if (other !== undefined && other.sha256 !== entry.sha256) {
    throw new CountersignError(
      'USAGE',
      `the list names two digests for ${formatReference({ repository: image.repository, tag })}, and a tag is signed as one; keep one of the lines`,
    );
  }
  targets.set(tag, entry);
}

function byDigest(images: readonly Reviewed[]): Iterable<readonly Reviewed[]> {
  return Map.groupBy(images, ({ digest }) => digest).values();
}
