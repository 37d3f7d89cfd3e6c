import { InvalidArgumentError } from 'commander';
import type { SignatureFormat } from '../src/trust/format.ts';
import { formatByName, FORMATS } from '../src/trust/formats.ts';

/** The formats that are written where no `--format` says otherwise: what the most clients read. */
export const DEFAULT_FORMATS: readonly SignatureFormat[] = FORMATS.filter(
  ({ name }) => name === 'cosign',
);

/** Collects `--format` options. Throws InvalidArgumentError for a format that there is none of. */
export function signatureFormat(
  text: string,
  before: readonly SignatureFormat[] | undefined,
): readonly SignatureFormat[] {
  const format = formatByName(text);
  if (format === undefined)
    throw new InvalidArgumentError(`expected ${FORMATS.map(({ name }) => name).join(' or ')}`);
  return [...(before ?? []).filter(({ name }) => name !== format.name), format];
}
