import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { AddressInfo, Socket } from 'node:net';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createSite } from '../../support/countersign.ts';
import { suiteScope } from '../../support/scope.ts';

const PLUGIN = join(import.meta.dirname, '..', '..', '..', 'bin', 'docker-trust.js');

describe('docker trust at a terminal', () => {
  const scope = suiteScope();

  it('ends by Ctrl-C also after a question, while the trust server is waited for', async () => {
    const silent = createServer((socket) => void socket.on('error', () => {}));
    silent.listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const { port } = silent.address() as AddressInfo;
    const { env } = createSite(join(scope.folder(), 'site'));
    const command = `'${process.execPath}' '${PLUGIN}' trust revoke localhost:5/app`;
    // `script` gives the program a terminal of its own.
    const terminal = spawn('script', ['-qec', command, '/dev/null'], {
      env: {
        ...process.env,
        ...env,
        SHELL: '/bin/sh',
        DOCKER_CONTENT_TRUST_SERVER: `https://127.0.0.1:${port}`,
      },
    });
    const ended = once(terminal, 'close');
    let shown = '';
    terminal.stdout.setEncoding('utf8').on('data', (text: string) => {
      shown += text;
      if (shown.endsWith('[y/N] ')) terminal.stdin.write('y\r');
    });
    silent.once('connection', () => terminal.stdin.write('\u0003'));
    // 128 and the number of SIGINT.
    expect(await ended).toEqual([130, null]);
    expect(shown).toContain('Confirm you would like to delete all signature data');
    silent.close();
  });

  it('ends with a docker that is stopped, which tells it by its socket alone', async () => {
    const silent = createServer((socket) => void socket.on('error', () => {}));
    silent.listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const { port } = silent.address() as AddressInfo;
    const path = join(scope.folder(), 'docker.sock');
    const docker = createServer().listen(path);
    await once(docker, 'listening');
    const connected = once(docker, 'connection');
    const { env } = createSite(join(scope.folder(), 'stopped'));
    const plugin = spawn(process.execPath, [PLUGIN, 'trust', 'revoke', '-y', 'localhost:5/app'], {
      env: {
        ...process.env,
        ...env,
        DOCKER_CLI_PLUGIN_SOCKET: path,
        DOCKER_CONTENT_TRUST_SERVER: `https://127.0.0.1:${port}`,
      },
    });
    const ended = once(plugin, 'close');
    const [[socket]] = await Promise.all([connected, once(silent, 'connection')]);
    (socket as Socket).destroy();
    expect(await ended).toEqual([null, 'SIGTERM']);
    silent.close();
    docker.close();
  });
});
