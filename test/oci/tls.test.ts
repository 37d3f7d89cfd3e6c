import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { Server } from 'node:https';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createRegistryClient } from '../../src/oci/client.ts';
import { isLoopbackHost, tlsFiles } from '../../src/oci/tls.ts';
import type { TestAuthority } from '../support/certificates.ts';
import { makeAuthority } from '../support/certificates.ts';
import { mustRun } from '../support/run.ts';

describe('TLS to a registry', () => {
  let folder: string;
  let authority: TestAuthority;
  let server: Server;
  let host: string;
  let peer: string | undefined;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'countersign-test-'));
    authority = makeAuthority();
    const options = { ...authority.server, ca: authority.ca, requestCert: true };
    server = createServer({ ...options, rejectUnauthorized: false }, (request, response) => {
      const socket = request.socket as TLSSocket;
      peer = socket.getPeerCertificate().subject?.CN?.toString();
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end('{"tags":["one"]}');
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterAll(() => {
    server.closeAllConnections();
    server.close();
    rmSync(folder, { recursive: true });
  });

  const tagsWith = async (options: Parameters<typeof tlsFiles>[0]): Promise<readonly string[]> => {
    const client = createRegistryClient({ host, tls: tlsFiles(options), retry: { attempts: 1 } });
    try {
      return await client.tags('team/app');
    } finally {
      await client.close();
    }
  };
  const write = (name: string, text: string): string => {
    const file = join(folder, name);
    mkdirSync(join(file, '..'), { recursive: true });
    writeFileSync(file, text);
    return file;
  };

  it('is not verified on loopback, as docker does it', async () => {
    expect(await tagsWith({ directories: [] })).toEqual(['one']);
  });

  it('is verified on loopback too where --ca names an authority', async () => {
    const caFile = write('ca.pem', authority.ca);
    expect(await tagsWith({ directories: [], caFile })).toEqual(['one']);
  });

  it('is refused where --ca names another authority, and never falls back', async () => {
    const caFile = write('other.pem', makeAuthority().ca);
    await expect(tagsWith({ directories: [], caFile })).rejects.toMatchObject({
      code: 'UPSTREAM_UNAVAILABLE',
      message: expect.stringMatching(/certificate that is not trusted.*--ca/),
    });
  });

  it("trusts the machine's authorities besides the one that --ca names", async () => {
    const source = new URL('../../src/oci/', import.meta.url).href;
    const script = `
      import { createRegistryClient } from '${source}client.ts';
      import { tlsFiles } from '${source}tls.ts';
      const tls = tlsFiles({ directories: [], caFile: process.argv[1] });
      const client = createRegistryClient({ host: process.argv[2], tls, retry: { attempts: 1 } });
      console.log(await client.tags('a').catch((error) => error.code));
      await client.close();`;
    const other = write('another.pem', makeAuthority().ca);
    const ask = async (env: Record<string, string>): Promise<string> => {
      const args = ['--input-type=module', '-e', script, other, host];
      return (await mustRun(process.execPath, args, { env })).stdout;
    };
    expect(await ask({})).toContain('UPSTREAM_UNAVAILABLE');
    // Where OpenSSL, and so docker and curl, are told that the machine's authorities are.
    expect(await ask({ SSL_CERT_FILE: write('machine.pem', authority.ca) })).toContain('one');
  });

  it("shows the client certificate of the host's folder", async () => {
    write(`certs/${host}/ca.crt`, authority.ca);
    write(`certs/${host}/client.cert`, authority.client.cert);
    write(`certs/${host}/client.key`, authority.client.key);
    expect(await tagsWith({ directories: [join(folder, 'certs')] })).toEqual(['one']);
    expect(peer).toBe('client');
  });

  it.each([
    ['a client certificate without its key', 'client.cert', 'x', /client\.key/],
    ['an authority that is no certificate', 'ca.crt', 'x', /PEM/],
  ])('is not tried with %s', async (_what, name, text, message) => {
    const directory = join(folder, `broken-${name}`);
    write(`broken-${name}/${host}/${name}`, text);
    await expect(tagsWith({ directories: [directory] })).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringMatching(message),
    });
  });

  it.each(['localhost', 'localhost:5000', '127.0.0.1:5000', '127.9.9.9', '[::1]', '[::1]:5000'])(
    '%s is loopback',
    (name) => expect(isLoopbackHost(name)).toBe(true),
  );

  it.each(['localhost.example.com', '127.example.com', '128.0.0.1', '[::2]', 'registry:5000'])(
    '%s is not loopback',
    (name) => expect(isLoopbackHost(name)).toBe(false),
  );
});
