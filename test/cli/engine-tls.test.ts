import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readGlobals } from '../../cli/docker-trust/globals.ts';
import { engineTls } from '../../cli/engine-tls.ts';
import { connectEngine } from '../../src/oci/engine.ts';
import { expectEngineImage } from '../../src/oci/engine-push.ts';
import { makeAuthority } from '../support/certificates.ts';
import { createSite } from '../support/countersign.ts';
import { suiteScope } from '../support/scope.ts';

describe('TLS with the docker engine', () => {
  const scope = suiteScope();
  const folder = (name: string, files: Readonly<Record<string, string>> = {}): string => {
    const path = join(scope.folder(), name);
    mkdirSync(path, { recursive: true });
    for (const [file, text] of Object.entries(files)) writeFileSync(join(path, file), text);
    return path;
  };

  it('is spoken wherever docker would: by each flag and variable of its own', () => {
    const none = folder('none');
    const at = (name: string): string => join(none, name);
    const files = { ca: at('ca.pem'), cert: null, key: null };
    expect(engineTls({}, none)).toBeUndefined();
    expect(engineTls({ DOCKER_TLS_VERIFY: '', DOCKER_CERT_PATH: none }, none)).toBeUndefined();
    expect(engineTls({}, none, { tls: false })).toBeUndefined();
    for (const [env, flags, verify] of [
      [{ DOCKER_TLS_VERIFY: '1' }, {}, true],
      [{ DOCKER_TLS_VERIFY: '0' }, {}, true],
      [{ DOCKER_TLS: '1' }, {}, false],
      [{}, { tls: true }, false],
      [{}, { tlsverify: true }, true],
      // Docker's own: the flag turns TLS on whatever it says.
      [{}, { tlsverify: false }, false],
    ] as const) {
      expect(engineTls(env, none, flags)).toEqual({ ...files, verify });
    }
    const own = folder('own', { 'cert.pem': 'c', 'key.pem': 'k' });
    expect(engineTls({ DOCKER_TLS_VERIFY: '1', DOCKER_CERT_PATH: own }, none)).toEqual({
      ca: join(own, 'ca.pem'),
      cert: join(own, 'cert.pem'),
      key: join(own, 'key.pem'),
      verify: true,
    });
    const { globals } = readGlobals(['--tlsverify', '--tlscacert', 'x.pem', 'trust', 'sign']);
    expect(engineTls({}, none, globals.tls)).toMatchObject({ ca: 'x.pem', verify: true });
  });

  it('T-72: an engine is believed by its certificate, and an image is not read in the clear', async () => {
    const authority = makeAuthority();
    const { cert, key } = authority.server;
    const engine = createTlsServer({ cert, key }, (_request, response) => response.end('{}'));
    engine.listen(0, '127.0.0.1');
    await once(engine, 'listening');
    const heard: string[] = [];
    const plain = createServer((socket) => {
      socket.on('data', (bytes) => {
        heard.push(bytes.toString('latin1'));
        socket.destroy();
      });
      socket.on('error', () => {});
    });
    plain.listen(0, '127.0.0.1');
    await once(plain, 'listening');
    const hostOf = (server: { address(): unknown }): string =>
      `tcp://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const certs = folder('certs', { 'ca.pem': authority.ca });
    const others = folder('others', { 'ca.pem': makeAuthority().ca });
    const ask = async (host: string, from: string): Promise<void> => {
      const tls = engineTls({ DOCKER_TLS_VERIFY: '1', DOCKER_CERT_PATH: from }, from);
      const connected = await connectEngine(tls === undefined ? { host } : { host, tls });
      try {
        await expectEngineImage(connected, 'app:1');
      } finally {
        await connected.client.destroy();
      }
    };
    await expect(ask(hostOf(engine), certs)).resolves.toBeUndefined();
    await expect(ask(hostOf(engine), others)).rejects.toThrow(/certificate/);
    await expect(ask(hostOf(engine), folder('empty'))).rejects.toMatchObject({
      code: 'SOURCE_INVALID',
    });
    // DOCKER_TLS_VERIFY alone: docker's own folder has the files.
    const site = createSite(folder('site'));
    writeFileSync(join(site.env['DOCKER_CONFIG'] ?? '', 'ca.pem'), authority.ca);
    await site.cli(['push', 'docker-daemon:app:1', 'registry.example.com/app:1'], {
      env: { DOCKER_HOST: hostOf(plain), DOCKER_TLS_VERIFY: '1', DOCKER_CONTENT_TRUST: '0' },
    });
    expect(heard.length).toBeGreaterThan(0);
    expect(heard.join('')).not.toContain('HTTP/1.1');
    engine.closeAllConnections();
    engine.close();
    plain.close();
  });
});
