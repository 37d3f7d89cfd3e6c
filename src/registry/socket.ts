import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createRegistry } from './registry.ts';

/** Where the embedded registry keeps its content and its socket. */
export interface SocketOptions {
  /** The folder of the content. */
  readonly root: string;
  /** The folder for the socket; made with mode 0700. */
  readonly folder: string;
  /** Told of failures that clients only see as a status. */
  readonly onError: (error: unknown) => void;
}

/** A registry that listens on a Unix socket. */
export interface SocketRegistry {
  readonly socketPath: string;
  /** Ends all connections, then the registry, and removes the socket. */
  close(): Promise<void>;
}

/** Unix socket paths are limited to about 107 bytes. */
const LONGEST = 100;

/**
 * Runs the embedded registry on a Unix socket in a folder that only this user can enter: the registry
 * itself asks nobody who they are. Throws STORE_UNAVAILABLE as {@link createRegistry} does.
 */
export async function listenOnSocket(options: SocketOptions): Promise<SocketRegistry> {
  const registry = await createRegistry({ root: options.root, onError: options.onError });
  const own = Buffer.byteLength(join(options.folder, 'registry.sock')) <= LONGEST;
  // mkdtemp makes its folder with mode 0700.
  const folder = own ? options.folder : await mkdtemp(join(tmpdir(), 'countersign-'));
  const socketPath = join(folder, 'registry.sock');
  await mkdir(folder, { recursive: true, mode: 0o700 });
  // What a killed process left behind: only one process uses the folder at a time.
  await rm(socketPath, { force: true });
  const server = createServer({ requestTimeout: 0 }, registry.handler);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(socketPath, resolve);
  });
  return {
    socketPath,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => {
        server.close(resolve);
      });
      await registry.close();
      await rm(own ? socketPath : folder, { recursive: true, force: true });
    },
  };
}
