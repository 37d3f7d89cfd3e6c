/** Work that Ctrl-C ends. */
export interface Interruptible {
  readonly signal: AbortSignal;
  /** Gives the signals back; where one came, ends this process by it, as shells expect. */
  end(): void;
}

const SIGNALS = ['SIGINT', 'SIGTERM'] as const;

/**
 * Turns the first Ctrl-C (or SIGTERM) into an abort, so that temporary files go and no tag is given;
 * a second one ends the process at once.
 */
export function interruptible(): Interruptible {
  const controller = new AbortController();
  let came: NodeJS.Signals | undefined;
  const release = (): void => {
    for (const name of SIGNALS) process.removeListener(name, abort);
  };
  const abort = (name: NodeJS.Signals): void => {
    came = name;
    release();
    controller.abort(new Error('interrupted'));
  };
  for (const name of SIGNALS) process.on(name, abort);
  return {
    signal: controller.signal,
    end() {
      release();
      if (came !== undefined) process.kill(process.pid, came);
    },
  };
}
