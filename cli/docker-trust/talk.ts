import { createInterface } from 'node:readline';
import type { Interface } from 'node:readline';
import { Writable } from 'node:stream';
import { display } from '../display.ts';

/** How the plugin speaks with a person or a script: as docker does, on stdout and stdin, terminal or not. */
export interface Talk {
  readonly env: NodeJS.ProcessEnv;
  out(text: string): void;
  err(text: string): void;
  /** Asks on stdout and reads a line of stdin; `null` at its end. A secret is not shown as it is typed. */
  ask(question: string, options?: { readonly secret?: boolean }): Promise<string | null>;
  close(): void;
}

/** Docker's question before something is lost: only `y` or `Y` is a yes. */
export async function confirm(talk: Talk, question: string): Promise<boolean> {
  const answer = await talk.ask(`${question} [y/N] `);
  return answer?.toLowerCase() === 'y';
}

/** The process's own streams. Nothing is read before the first question. */
export function openTalk(env: NodeJS.ProcessEnv): Talk {
  const { stdin, stdout, stderr } = process;
  // What is typed shows by way of this stream, and not at all while a secret is.
  let hidden = false;
  let asking = false;
  const echo = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      if (!hidden) stdout.write(chunk);
      done();
    },
  });
  let reader: Interface | undefined;
  const open = (): Interface => {
    const terminal = stdin.isTTY === true;
    const opened = createInterface({
      input: stdin,
      output: echo,
      terminal,
      crlfDelay: Infinity,
      // No arrow key brings a passphrase back, in clear, at the next question.
      historySize: 0,
    });
    // Once a terminal was asked, Ctrl-C is a key and no signal: it ends a question, and any other time
    // the program, as it did before.
    opened.on('SIGINT', () => {
      opened.close();
      if (!asking) process.kill(process.pid, 'SIGINT');
    });
    return opened;
  };
  let lines: AsyncIterator<string> | undefined;
  return {
    env,
    out: (text) => void stdout.write(display(text)),
    err: (text) => void stderr.write(display(text)),
    ask: async (question, { secret = false } = {}) => {
      stdout.write(display(question));
      reader ??= open();
      lines ??= reader[Symbol.asyncIterator]();
      hidden = secret;
      asking = true;
      const next = await lines.next();
      asking = false;
      hidden = false;
      if (secret) stdout.write('\n');
      return next.done === true ? null : next.value;
    },
    close: () => reader?.close(),
  };
}
