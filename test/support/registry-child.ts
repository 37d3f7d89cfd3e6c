import { createServer } from 'node:http';
import { createRegistry } from '../../src/registry/registry.ts';

// The embedded registry as a process of its own, so that a test can kill it: `node registry-child.ts ROOT`
// prints the port it listens on.
const registry = await createRegistry({
  root: process.argv[2] ?? '',
  onError: (error) => process.stderr.write(`${String(error)}\n`),
});
const server = createServer({ requestTimeout: 0 }, registry.handler);
server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  process.stdout.write(`${typeof address === 'object' ? address?.port : ''}\n`);
});
