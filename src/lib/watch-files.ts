import { stat } from 'node:fs/promises';

/** A watch over a few files; close it to stop. */
export interface FileWatch {
  /** Looks now instead of at the next tick; resolves when a change has been dealt with. */
  refresh(): Promise<void>;
  close(): void;
}

/**
 * Calls back when any of the files has changed, one call after the other. It looks at regular
 * intervals instead of asking the system for events, which do not come from network mounts and
 * Kubernetes volumes, nor for a file that is replaced under its name. The callback must not reject.
 */
export async function watchFiles(
  paths: readonly string[],
  onChange: () => Promise<void>,
  intervalMs = 1000,
): Promise<FileWatch> {
  let seen = await fingerprint(paths);
  let closed = false;
  let working = Promise.resolve();
  const look = async (): Promise<void> => {
    const now = await fingerprint(paths);
    if (closed || now === seen) return;
    seen = now;
    await onChange();
  };
  const refresh = (): Promise<void> => {
    working = working.then(look);
    return working;
  };
  const timer = setInterval(() => void refresh(), intervalMs);
  timer.unref();
  return {
    refresh,
    close() {
      closed = true;
      clearInterval(timer);
    },
  };
}

/** What every write, rename or exchange of a link changes; ctime also where the time is set back by hand. */
async function fingerprint(paths: readonly string[]): Promise<string> {
  const parts = paths.map(async (path) => {
    try {
      const { ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true });
      return `${ino} ${size} ${mtimeNs} ${ctimeNs}`;
    } catch {
      return 'gone';
    }
  });
  return (await Promise.all(parts)).join('\n');
}
