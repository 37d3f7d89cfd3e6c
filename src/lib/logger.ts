/** One structured line per call; never a secret, never text that a client chose without bounds. */
export interface Logger {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** A logger that says nothing, for tools that have none. */
export const silentLogger: Logger = { info: () => {}, warn: () => {}, error: () => {} };
