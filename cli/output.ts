import { display, displayJson } from './display.ts';
import { ERRORS, codeOf, messageOf } from '../src/lib/errors.ts';

/** How a command speaks: data on stdout, everything else on stderr; never a secret. */
export interface Output {
  readonly json: boolean;
  /** True where a person watches stderr: progress may be drawn. */
  readonly interactive: boolean;
  /** Prints the result: as one JSON document with `--output json`, else the text. */
  result(data: unknown, text: string | (() => string)): void;
  /** Prints a line for a person, on stderr; silent with `--output json`. */
  note(text: string): void;
  /** Prints a warning on stderr, always. */
  warn(text: string): void;
  /** Prints what failed of several things on stderr, always; {@link reportFailure} does of the whole command. */
  fail(text: string): void;
}

/** The output for the chosen format. */
export function createOutput(format: string): Output {
  const json = format === 'json';
  return {
    json,
    interactive: process.stderr.isTTY && !json,
    result(data, text) {
      const out = json
        ? displayJson(JSON.stringify(data, null, 2))
        : display(typeof text === 'string' ? text : text());
      if (out !== '') process.stdout.write(out.endsWith('\n') ? out : `${out}\n`);
    },
    note(text) {
      if (!json) process.stderr.write(`${display(text)}\n`);
    },
    warn(text) {
      process.stderr.write(`warning: ${display(text)}\n`);
    },
    fail(text) {
      process.stderr.write(`error: ${display(text)}\n`);
    },
  };
}

/** Prints a failure and returns the exit status that the error table gives it. */
export function reportFailure(error: unknown, output: Output): number {
  const code = codeOf(error);
  if (output.json) output.result({ error: { code, message: messageOf(error) } }, '');
  process.stderr.write(`error: ${display(messageOf(error))}\n`);
  if (
    code === 'INTERNAL' &&
    error instanceof Error &&
    process.env['COUNTERSIGN_DEBUG'] !== undefined
  ) {
    process.stderr.write(`${error.stack ?? ''}\n`);
  }
  return ERRORS[code].exit;
}
