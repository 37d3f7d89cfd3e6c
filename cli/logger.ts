import { pino } from 'pino';
import { codeOf } from '../src/lib/errors.ts';
import type { Logger } from '../src/lib/logger.ts';

/** The service's logger: JSON lines on stderr, written in the background. */
export interface ProcessLogger extends Logger {
  /** Writes what is still waiting; for shutdown. */
  flush(): void;
}

/** Makes the logger of a long-running command; `level` is pino's (`info`, `warn`, `error`). */
export function processLogger(level: string): ProcessLogger {
  const destination = pino.destination({ dest: 2, sync: false, minLength: 4096 });
  const log = pino({ level, base: null, timestamp: pino.stdTimeFunctions.isoTime }, destination);
  // A log that cannot be written (a full disk, a closed pipe) stops no service.
  let broken = false;
  destination.on('error', () => {
    broken = true;
  });
  destination.on('write', () => {
    broken = false;
  });
  const timer = setInterval(() => destination.flush(), 1000);
  timer.unref();
  return {
    info: (fields, message) => log.info(plain(fields), message),
    warn: (fields, message) => log.warn(plain(fields), message),
    error: (fields, message) => log.error(plain(fields), message),
    flush: () => {
      // What cannot be written is let go: flushSync would try for ever (on a full disk, for one).
      if (broken) destination.destroy();
      else destination.flushSync();
    },
  };
}

/** Errors as what can be read, with our private detail; a stack for what nobody foresaw only. */
export function plain(fields: object): object {
  if (!('error' in fields) || !(fields.error instanceof Error)) return fields;
  const { error } = fields;
  const detail =
    'detail' in error && typeof error.detail === 'string' ? { detail: error.detail } : {};
  const code = 'code' in error ? { errorCode: error.code } : {};
  const stack = codeOf(error) === 'INTERNAL' ? { stack: error.stack } : {};
  return { ...fields, error: error.message, ...detail, ...code, ...stack };
}
