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
      const answer = await password({ message, input, output });
      if (isCancel(answer)) throw new CountersignError('PASSPHRASE_MISSING', 'cancelled');
      return answer;
    },
    confirm: async (message) => {
      const { confirm } = await import('@clack/prompts');
      // Cancelling gives a symbol, which is no yes either.
      return (await confirm({ message, initialValue: false, input, output })) === true;
    },
  };
}
