import { once } from 'node:events';
import type { Server } from 'node:net';

/** Makes a server listen on a free port of 127.0.0.1; gives the port once it does. */
export async function loopbackPort(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('expected a TCP address');
  return address.port;
}
