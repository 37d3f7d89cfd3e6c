import { InvalidArgumentError } from 'commander';

/** Collects an option that may be given several times, one value each, so that it never eats the arguments after it. */
export function repeated(value: string, before: readonly string[] | undefined): readonly string[] {
  return [...(before ?? []), value];
}

/** Collects `-a name=value` options; a name given twice is refused, as only one could be signed. */
export function annotation(
  text: string,
  before: Readonly<Record<string, string>> | undefined,
): Readonly<Record<string, string>> {
  const at = text.indexOf('=');
  const name = text.slice(0, Math.max(at, 0));
  if (name === '') throw new InvalidArgumentError('expected NAME=VALUE');
  if (Object.hasOwn(before ?? {}, name))
    throw new InvalidArgumentError(`expected ${name} once, found it twice`);
  return { ...before, [name]: text.slice(at + 1) };
}
