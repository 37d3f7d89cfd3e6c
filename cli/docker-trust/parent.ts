import { createConnection } from 'node:net';

/** Where docker listens for as long as the plugin is to run (docker/cli, cli-plugins/socket). */
const SOCKET = 'DOCKER_CLI_PLUGIN_SOCKET';

/**
 * Ends with docker: one that is stopped and has no terminal, as in CI, tells its plugin by closing a
 * socket, and sends it no signal. `gone` is called then, and not where there is no such socket.
 */
export function followDocker(env: NodeJS.ProcessEnv, gone: () => void): void {
  const address = env[SOCKET] ?? '';
  if (address === '') return;
  // As Go writes it, an @ is Linux's abstract name space.
  const socket = createConnection(address.replace(/^@/, '\0'));
  let met = false;
  socket
    .once('connect', () => {
      met = true;
    })
    // An older docker may have left the variable of another one behind.
    .on('error', () => undefined)
    .once('close', () => {
      if (met) gone();
    })
    .resume()
    .unref();
}
