import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { IncomingHttpHeaders } from 'node:http';
import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { hashSync } from 'bcryptjs';
import { afterEach, describe, expect, it } from 'vitest';
import type { Service } from '../../src/app.ts';
import { startService } from '../../src/app.ts';
import { loadConfig } from '../../src/config/load.ts';
import { silentLogger } from '../../src/lib/logger.ts';
import { unwrap } from '../../src/lib/result.ts';
import { answered, podOf, review } from '../support/admission.ts';

const POLICIES = join(import.meta.dirname, '../../policies');
const undo: (() => unknown)[] = [];
afterEach(async () => {
  for (const one of undo.splice(0).toReversed()) await one();
});

/** A whole service with the default policy and an embedded registry, from a configuration file. */
async function serve(yaml = ''): Promise<Service & { readonly folder: string }> {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-test-'));
  undo.push(() => rmSync(folder, { recursive: true, maxRetries: 5 }));
  mkdirSync(join(folder, 'policies'));
  cpSync(join(POLICIES, 'default.yaml'), join(folder, 'policies/default.yaml'));
  cpSync(join(POLICIES, 'keys'), join(folder, 'policies/keys'), { recursive: true });
  writeFileSync(join(folder, 'countersign.yaml'), `listen: 127.0.0.1:0\n${yaml}`);
  writeFileSync(
    join(folder, 'users'),
    `ci:${hashSync('geheim', 4)}\nboss:${hashSync('geheim', 4)}\n`,
  );
  const config = unwrap(await loadConfig({ flags: {}, env: {}, cwd: folder }));
  const service = await startService(config, { log: silentLogger, version: '0.0.0' });
  undo.push(() => service.close());
  return { ...service, folder };
}

interface Answer {
  readonly status: number | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

function ask(
  url: string,
  options: { method?: string; headers?: Record<string, string>; ca?: string; body?: string } = {},
): Promise<Answer> {
  const send = url.startsWith('https:') ? httpsRequest : httpRequest;
  return new Promise((resolve, reject) => {
    const sent = send(url, { agent: false, ...options }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (part: string) => (body += part));
      response.on('end', () =>
        resolve({ status: response.statusCode, headers: response.headers, body }),
      );
    });
    sent.on('error', reject);
    sent.end(options.body);
  });
}

const text = ({ status = 0, body }: Answer) => ({ status, text: body });

const login = (name: string, password: string): Record<string, string> => ({
  authorization: `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}`,
});

const IDENTITIES = `
identities: { htpasswd: users }
access:
  - { repositories: ["\${registry}/team/**"], pull: [ci], push: [ci] }
  - { repositories: ["\${registry}/**"], admin: [boss] }
`;

describe('a service by its configuration', () => {
  it('answers on one loopback port over TLS, which its own authority vouches for, and over plain HTTP', async () => {
    const service = await serve();
    const ca = readFileSync(service.caFile ?? '', 'utf8');
    const [https = '', http = ''] = service.urls;
    for (const url of [`${https}/v2/`, `${https.replace('127.0.0.1', 'localhost')}/readyz`]) {
      expect(await ask(url, { ca })).toMatchObject({ status: 200 });
    }
    expect(await ask(`${http}/readyz`)).toMatchObject({ status: 200 });
    expect(JSON.parse((await ask(`${http}/readyz`)).body)).toMatchObject({
      status: 'ready',
      identities: null,
    });
  });

  it('answers for its registries by name only, and for probes by any', async () => {
    const service = await serve();
    const http = service.urls[1] ?? '';
    const as = (host: string, path: string): Promise<Answer> =>
      ask(`${http}${path}`, { headers: { host } });
    const port = new URL(http).port;
    for (const host of [
      `localhost:${port}`,
      `127.0.0.1:${port}`,
      `[::1]:${port}`,
      `LOCALHOST:${port}`,
    ]) {
      expect(await as(host, '/v2/')).toMatchObject({ status: 200 });
    }
    for (const host of ['localhost', 'evil.example.com', `localhost:${port}.evil.example.com`]) {
      expect(await as(host, '/v2/')).toMatchObject({ status: 421 });
      expect(await as(host, '/api/v1/holds')).toMatchObject({ status: 421 });
      for (const probe of ['/healthz', '/readyz', '/metrics']) {
        expect(await as(host, probe)).toMatchObject({ status: 200 });
      }
    }
  });

  it('answers the API server of Kubernetes over TLS, under the name of its Service', async () => {
    const service = await serve(
      'registries: [{ host: registry.example.com, aliases: [countersign.countersign.svc], upstream: embedded }]\n',
    );
    // The connection's server name is that of the Host header, and the certificate has to bear it.
    const headers = { host: 'countersign.countersign.svc', 'content-type': 'application/json' };
    const url = `${service.urls[0] ?? ''}/admission/validate?timeout=10s`;
    const ca = readFileSync(service.caFile ?? '', 'utf8');
    const body = JSON.stringify(review({ object: podOf('registry.example.com/app:1') }));
    const answer = answered(text(await ask(url, { method: 'POST', headers, ca, body })));
    expect(answer.status?.message).toMatch(/^container app: registry.example.com\/app:1 names no/);
    const elsewhere = { ...headers, host: 'other.countersign.svc' };
    await expect(ask(url, { method: 'POST', headers: elsewhere, ca, body })).rejects.toThrow(
      /altnames/,
    );
  });

  it('lets no page of another origin use the rights of this machine', async () => {
    const service = await serve();
    const url = `${service.urls[1] ?? ''}/api/v1/revocations`;
    const body = JSON.stringify({ key: 'a'.repeat(64), reason: 'test' });
    const post = (type: string): Promise<Answer> =>
      ask(url, {
        method: 'POST',
        body,
        headers: { 'content-type': type, origin: 'https://evil.example.com' },
      });
    // What a browser sends without asking the server first (Fetch standard, "CORS-safelisted request-header").
    for (const type of [
      'text/plain',
      'text/plain;application/json',
      'application/x-www-form-urlencoded',
      'multipart/form-data',
    ]) {
      expect(await post(type)).toMatchObject({ status: 400 });
    }
    const preflight = await ask(url, {
      method: 'OPTIONS',
      headers: { origin: 'https://evil.example.com', 'access-control-request-method': 'POST' },
    });
    expect(preflight.status).not.toBe(200);
    expect(Object.keys(preflight.headers).join()).not.toMatch(/access-control/);
    expect(await post('application/json')).toMatchObject({ status: 200 });
  });

  it('lends no proxy on this machine the rights of this machine', async () => {
    const service = await serve();
    const url = `${service.urls[1] ?? ''}/api/v1/holds`;
    expect(await ask(url)).toMatchObject({ status: 200 });
    for (const header of ['x-forwarded-for', 'forwarded', 'x-real-ip', 'via']) {
      expect(await ask(url, { headers: { [header]: '203.0.113.7' } })).toMatchObject({
        status: 403,
      });
    }
  });

  it('knows people by htpasswd and gives them what access says', async () => {
    const service = await serve(IDENTITIES);
    const http = service.urls[1] ?? '';
    const as = async (path: string, headers = {}): Promise<unknown> =>
      (await ask(`${http}${path}`, { headers })).status;
    const challenge = await ask(`${http}/v2/`);
    expect(challenge).toMatchObject({
      status: 401,
      headers: { 'www-authenticate': /^Basic realm=/ },
    });
    expect(await as('/v2/', login('ci', 'geheim'))).toBe(200);
    expect(await as('/v2/', login('ci', 'wrong'))).toBe(401);
    expect(await as('/v2/team/app/tags/list', login('ci', 'geheim'))).toBe(404);
    expect(await as('/v2/other/app/tags/list', login('ci', 'geheim'))).toBe(403);
    expect(await as('/v2/team/app/tags/list')).toBe(401);
    // On this machine too: with identities, loopback gives nothing.
    expect(await as('/api/v1/history')).toBe(401);
    expect(await as('/api/v1/history', login('ci', 'geheim'))).toBe(403);
    expect(await as('/api/v1/history', login('boss', 'geheim'))).toBe(200);
  });

  it('counts what it refuses without a label that a client could choose', async () => {
    const service = await serve();
    const http = service.urls[1] ?? '';
    await ask(`${http}/v2/canary-name/manifests/canary-tag`);
    await ask(`${http}/v2/..%2fcanary`);
    const { body } = await ask(`${http}/metrics`);
    expect(body).toMatch(/^countersign_refusals_total\{code="PATH_INVALID"\} 1$/m);
    expect(body).toMatch(/^countersign_policies_info\{revision="[0-9a-f]{12}"\} 1$/m);
    expect(body).toMatch(/^countersign_record_events\{log="sig"\} [0-9]+$/m);
    expect(body).not.toContain('canary');
  });
});
