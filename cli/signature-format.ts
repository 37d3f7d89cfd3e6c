import { InvalidArgumentError } from 'commander';
import { CountersignError } from '../src/lib/errors.ts';
import type { FormatName } from '../src/trust/format.ts';
import { formatByName } from '../src/trust/formats.ts';
import type { ImageSigner } from '../src/trust/sign.ts';

/** The formats that images are signed in, and all that are written where no `--format` says otherwise. */
export const SIGNED_FORMATS: readonly FormatName[] = ['dct', 'cosign'];

/** Collects `--format` options. Throws InvalidArgumentError for a format that there is none of. */
export function signatureFormat(
  text: string,
  before: readonly FormatName[] | undefined,
): readonly FormatName[] {
  const format = SIGNED_FORMATS.find((name) => name === text);
  if (format === undefined)
    throw new InvalidArgumentError(`expected ${SIGNED_FORMATS.join(' or ')}`);
  return [...new Set([...(before ?? []), format])];
}

/**
 * The formats of a command as signers: those of a digest first, so that an image is signed with all that
 * it contains before its tag is. Throws USAGE for `dct` where no tags are signed (`null`).
 */
export function imageSigners(
  formats: readonly FormatName[],
  dct: ImageSigner | null,
): readonly ImageSigner[] {
  const asked = formats.includes('dct');
  if (asked && dct === null) {
    throw new CountersignError(
      'USAGE',
      'expected a format that signs digests; dct signs tags: countersign sign --format dct HOST/NAME:TAG',
    );
  }
  const signers = formats.flatMap((name): readonly ImageSigner[] => {
    const format = name === 'dct' ? undefined : formatByName(name);
    return format === undefined ? [] : [format];
  });
  return asked && dct !== null ? [...signers, dct] : signers;
}
