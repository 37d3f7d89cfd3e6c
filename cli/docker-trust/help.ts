import { TrustFailure } from './failure.ts';

/** The words of a command as docker's help shows them, and how many arguments it takes. */
export interface Shape {
  /** `docker trust …` without arguments. */
  readonly path: string;
  /** What follows `Usage:  `; for a group of commands without its `COMMAND`, which only its help shows. */
  readonly use: string;
  /** All of `--help`, without the usage line. */
  readonly help: string;
  readonly arguments?: { readonly least: number; readonly most?: number };
}

/** The text of `--help`. */
export function helpOf({ use, help, arguments: taken }: Shape): string {
  return `Usage:  ${use}${taken === undefined ? ' COMMAND' : ''}\n\n${help}\n`;
}

/** The end of every message about wrong usage. */
export function usageHint({ path, use }: Shape, verb: 'Run' | 'See' = 'Run'): string {
  return `\n\nUsage:  ${use}\n\n${verb} '${path} --help' for more information`;
}

/** Throws docker's message where the number of arguments is wrong. */
export function checkArguments(shape: Shape, given: readonly string[]): void {
  const { least, most } = shape.arguments ?? { least: 0 };
  if (given.length >= least && given.length <= (most ?? given.length)) return;
  const count = `${most === undefined ? 'at least ' : ''}${least} argument${least === 1 ? '' : 's'}`;
  throw new TrustFailure(
    `docker: '${shape.path}' requires ${count}${usageHint(shape, most === undefined ? 'See' : 'Run')}`,
  );
}
