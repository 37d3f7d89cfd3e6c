import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import type { Config } from './config.ts';
import { withPort } from './listen.ts';

/** Takes a free port where 0 was asked for: names with it are needed before the listener is. Rejects where the address cannot be listened on. */
export async function withFreePort(config: Config): Promise<Config> {
  if (config.listen.port !== 0) return config;
  const probe = createServer();
  await new Promise<void>((resolve, reject) => {
    probe.once('error', reject).listen(0, config.listen.host, resolve);
  });
  const { port } = probe.address() as AddressInfo;
  await new Promise((resolve) => probe.close(resolve));
  return withPort(config, port);
}
