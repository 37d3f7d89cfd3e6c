import { codeOf, CountersignError, ERRORS, messageOf } from '../../../src/lib/errors.ts';
import { mapParallel } from '../../../src/lib/parallel.ts';
import type { RegistryClient } from '../../../src/oci/client.ts';
import { isEvidenceTag } from '../../../src/trust/formats.ts';
import type { Problem } from './tally.ts';
import type { ScannedRepository } from './targets.ts';
import type { Tagged } from './verdict.ts';

const WIDTH = 8;
/** What one scan holds in memory, at most. */
const MAX_IMAGES = 500_000;

/** A repository with the tags that are images. */
export interface Listed {
  readonly repository: ScannedRepository;
  readonly tags: readonly string[];
}

/** Lists the tags of all repositories. One that cannot be listed is a problem and does not end the scan. */
export async function listImages(
  repositories: readonly ScannedRepository[],
  clientOf: (host: string) => RegistryClient,
): Promise<{ readonly listed: readonly Listed[]; readonly problems: readonly Problem[] }> {
  const problems: Problem[] = [];
  let count = 0;
  const listed = await mapParallel(repositories, WIDTH, async (one) => {
    try {
      const tags = await clientOf(one.host).tags(one.path);
      if (tags.length === 0 && one.named) problems.push(nothingIn(one));
      const images = [...new Set(tags.filter((tag) => !isEvidenceTag(tag)))];
      count += images.length;
      if (count > MAX_IMAGES) throw tooMany();
      return { repository: one, tags: images };
    } catch (error) {
      if (!isOfRepository(error)) throw error;
      const { repository } = one;
      problems.push({ repository, tags: 0, code: codeOf(error), message: messageOf(error) });
      return { repository: one, tags: [] };
    }
  });
  return { listed, problems };
}

/** Every image of the lists, one after the other. */
export function* imagesOf(listed: readonly Listed[]): Generator<Tagged> {
  for (const { repository, tags } of listed) {
    const { host, path, repository: name } = repository;
    for (const tag of tags) yield { repository: name, host, path, tag };
  }
}

/** True for a failure that concerns one repository, or that another try may mend; false for what is wrong with the command. */
export function isOfRepository(error: unknown): boolean {
  const code = codeOf(error);
  if (isForbidden(error)) return true;
  return ERRORS[code].exit === 3 && code !== 'INTERNAL' && code !== 'CANNOT_VERIFY';
}

/** True where the caller lacks a right. */
export function isForbidden(error: unknown): boolean {
  return ['FORBIDDEN', 'UNAUTHENTICATED'].includes(codeOf(error));
}

function nothingIn({ repository }: ScannedRepository): Problem {
  const message = 'the registry knows no such repository, or it has no tags';
  return { repository, tags: 0, code: 'NAME_UNKNOWN', message };
}

function tooMany(): CountersignError {
  return new CountersignError(
    'USAGE',
    `expected at most ${MAX_IMAGES} images in one scan, found more; name fewer repositories`,
  );
}
