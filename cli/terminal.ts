import type { Readable, Writable } from 'node:stream';
import { CountersignError } from '../src/lib/errors.ts';

/** A person at a terminal, who can be asked. */
export interface Terminal {
  /** Asks for something that is not shown as it is typed. */
  secret(message: string): Promise<string>;
  confirm(message: string): Promise<boolean>;
}

type Side<T> = T & { readonly isTTY?: boolean; readonly columns?: number };

/**
 * The terminal behind the two streams, or `null` where nobody sits there. Questions go to stderr, as
 * stdout is for results.
 */
export function openTerminal(
  input: Side<Readable> = process.stdin,
  output: Side<Writable> = process.stderr,
): Terminal | null {
  if (input.isTTY !== true || output.isTTY !== true) return null;
  // A terminal that nobody gave a size (script, some containers) says 0 columns: then one letter would stand on each line.
  if (output.columns === 0) Object.assign(output, { columns: 80, rows: 24 });
  return {
    secret: async (message) => {
      const { isCancel, password } = await import('@clack/prompts');
      const answer = await untilHangUp(input, (signal) =>
        password({ message, input, output, signal }),
      );
      if (isCancel(answer)) throw new CountersignError('PASSPHRASE_MISSING', 'cancelled');
      return answer;
    },
    confirm: async (message) => {
      const { confirm } = await import('@clack/prompts');
      // Cancelling gives a symbol, which is no yes either.
      const answer = await untilHangUp(input, (signal) =>
        confirm({ message, initialValue: false, input, output, signal }),
      );
      return answer === true;
    },
  };
}

/**
 * Asks until there is an answer, Ctrl-D, or no terminal any more. The prompt library knows Ctrl-C alone:
 * the others would leave it waiting for ever, and node would end with a warning of its own.
 */
async function untilHangUp<T>(
  input: Readable,
  ask: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  const hangUp = (): void => controller.abort();
  const key = (
    _text: unknown,
    pressed?: { readonly ctrl?: boolean; readonly name?: string },
  ): void => {
    if (pressed?.ctrl === true && pressed.name === 'd') hangUp();
  };
  input.on('keypress', key).once('end', hangUp).once('close', hangUp);
  try {
    return await ask(controller.signal);
  } finally {
    input.off('keypress', key).off('end', hangUp).off('close', hangUp);
  }
}
