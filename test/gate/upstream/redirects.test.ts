import type { IncomingMessage, ServerResponse } from 'node:http';
import { afterEach, describe, expect, it } from 'vitest';
import type { Attacked } from '../../support/attacked.ts';
import { as, attackedGates } from '../../support/attacked.ts';
import { call } from '../../support/http-call.ts';
import type { TestImage } from '../../support/image.ts';
import { buildImage, pushImage } from '../../support/image.ts';
import type { WireServer } from '../../support/wire-server.ts';
import { startWireServer } from '../../support/wire-server.ts';

const MIB = 1024 * 1024;
const BLOB = /^\/v2\/.+\/blobs\/(sha256:[0-9a-f]{64})$/;
const ACCESS = `  - { repositories: ["\${registry}/**"], pull: ["*"], push: [ci] }\n`;

const undo: { stop(): Promise<unknown> }[] = [];
afterEach(async () => {
  for (const one of undo.splice(0).toReversed()) await one.stop();
});

type Handle = (request: IncomingMessage, response: ServerResponse) => void;

/** A host that keeps blobs: whatever was put into it, with ranges. */
async function storageHost(handle?: Handle): Promise<WireServer & { blobs: Map<string, Buffer> }> {
  const blobs = new Map<string, Buffer>();
  const wire = await startWireServer((request, response) => {
    if (handle !== undefined) return handle(request, response);
    const bytes = blobs.get(new URL(request.url ?? '', 'http://s').pathname.slice(1));
    if (bytes === undefined) return void response.writeHead(404).end('<Error/>');
    const range = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '');
    const [from, to] =
      range === null ? [0, bytes.length - 1] : [Number(range[1]), Number(range[2])];
    response.writeHead(range === null ? 200 : 206, {
      'content-length': to - from + 1,
      'content-type': 'application/octet-stream',
      'set-cookie': 'storage=1',
      ...(range === null ? {} : { 'content-range': `bytes ${from}-${to}/${bytes.length}` }),
    });
    response.end(request.method === 'HEAD' ? undefined : bytes.subarray(from, to + 1));
  });
  undo.push(wire);
  return Object.assign(wire, { blobs });
}

/** The registry behind redirects its blobs, as one with S3 does. */
function redirect(gate: Attacked, to: (digest: string) => string, status = 307): void {
  gate.fault((request, response) => {
    const digest = BLOB.exec(request.url ?? '')?.[1];
    if (digest === undefined || !['GET', 'HEAD'].includes(request.method ?? '')) return false;
    response.writeHead(status, { location: to(digest) }).end();
    return true;
  });
}

describe('redirects of an upstream', () => {
  const attacked = attackedGates();
  const image = buildImage();

  async function site(
    storage: readonly WireServer[],
    access?: string,
  ): Promise<{ readonly gate: Attacked; readonly layer: string }> {
    const named = storage.map((one) => `"${one.url}"`).join(', ');
    const gate = await attacked({
      policy: 'push: allow',
      registry: storage.length === 0 ? '' : `storage: [${named}]`,
      ...(access === undefined ? {} : { access }),
    });
    await pushImage(gate.registry, 'team/app', image, '1');
    await gate.signBehind('team/app', image.digest);
    return { gate, layer: [...image.blobs.keys()].at(-1) ?? '' };
  }
  const fill = (host: { blobs: Map<string, Buffer> }, one: TestImage): void => {
    for (const [digest, bytes] of one.blobs) host.blobs.set(digest, bytes);
  };

  it('of a blob go to the client where no storage is named; signatures are then not read, and the log says why', async () => {
    const host = await storageHost();
    const { gate, layer } = await site([]);
    redirect(gate, (digest) => `${host.url}/${digest}?X-Amz-Signature=a%2Fb`);
    const answer = await gate.call('GET', `/v2/team/app/blobs/${layer}`);
    const location = `${host.url}/${layer}?X-Amz-Signature=a%2Fb`;
    expect([answer.status, answer.headers.location]).toEqual([307, location]);
    expect((await gate.call('GET', '/v2/team/app/manifests/1')).status).toBe(503);
    expect(gate.logs()).toContain('name it as storage');
    expect(host.seen).toEqual([]);
  });

  it('of a blob are followed to the storage that is named, with ranges, without any credential', async () => {
    const host = await storageHost();
    const { gate, layer } = await site([host]);
    fill(host, image);
    gate.fault(null);
    const bytes = image.blobs.get(layer as never) as Buffer;
    redirect(gate, (digest) => `${host.url}/${digest}?sig=x`);
    const headers = { ...as('ci'), cookie: 'a=b' };
    const whole = await gate.call('GET', `/v2/team/app/blobs/${layer}`, { headers });
    expect([whole.status, whole.body.equals(bytes)]).toEqual([200, true]);
    expect(whole.headers['set-cookie']).toBeUndefined();
    const part = await gate.call('GET', `/v2/team/app/blobs/${layer}`, {
      headers: { ...headers, range: 'bytes=2-5' },
    });
    expect([part.status, part.headers['content-range'], part.body]).toEqual([
      206,
      `bytes 2-5/${bytes.length}`,
      bytes.subarray(2, 6),
    ]);
    const head = await gate.call('HEAD', `/v2/team/app/blobs/${layer}`, { headers });
    expect([head.status, head.headers['content-length']]).toEqual([200, String(bytes.length)]);
    for (const { headers: sent } of host.seen)
      expect([sent.authorization, sent.cookie]).toEqual([undefined, undefined]);
  });

  it('let signatures be read where the storage is named', async () => {
    const host = await storageHost();
    const { gate } = await site([host], ACCESS);
    const tag = `/v2/team/app/manifests/${image.digest.replace(':', '-')}.sig`;
    const manifest = JSON.parse((await call(gate.registry, 'GET', tag)).text) as {
      layers: { digest: string }[];
    };
    for (const { digest } of manifest.layers) {
      const behind = await call(gate.registry, 'GET', `/v2/team/app/blobs/${digest}`);
      host.blobs.set(digest, behind.body);
    }
    redirect(gate, (digest) => `${host.url}/${digest}`);
    const headers = as('dev');
    expect((await gate.call('GET', '/v2/team/app/manifests/1', { headers })).status).toBe(200);
    expect(host.seen.length).toBeGreaterThan(0);
  });

  it('are followed three times at most, and only to hosts that are named', async () => {
    let hops = 0;
    const loop = await storageHost((_, response) => {
      hops++;
      response.writeHead(307, { location: `/again/${hops}` }).end();
    });
    const { gate, layer } = await site([loop]);
    redirect(gate, (digest) => `${loop.url}/${digest}`);
    const answer = await gate.call('GET', `/v2/team/app/blobs/${layer}`);
    expect([answer.status, hops]).toEqual([307, 3]);
    const evil = await storageHost();
    const lured = await storageHost((_, response) => {
      response.writeHead(302, { location: `${evil.url}/x` }).end();
    });
    const other = await site([lured]);
    redirect(other.gate, (digest) => `${lured.url}/${digest}`);
    expect((await other.gate.call('GET', '/v2/team/app/manifests/1')).status).toBe(503);
    expect([lured.seen.length > 0, evil.seen]).toEqual([true, []]);
  });

  it('T-57: make no answer of a storage that refuses or fails into one about the blob', async () => {
    for (const status of [403, 404, 429, 500]) {
      const host = await storageHost((_, response) => void response.writeHead(status).end('<x/>'));
      const { gate, layer } = await site([host]);
      redirect(gate, (digest) => `${host.url}/${digest}`);
      const answer = await gate.call('GET', `/v2/team/app/blobs/${layer}`);
      expect([answer.status, answer.headers['retry-after']]).toEqual([503, '5']);
    }
  });

  it('T-72: of a manifest are followed on upstream’s own host, and to no other, storage or not', async () => {
    const evil = await startWireServer((_, response) => {
      response.writeHead(200, { 'content-type': image.mediaType }).end(image.manifest);
    });
    undo.push(evil);
    const { gate } = await site([evil]);
    const headers = as('ci');
    const manifest = `/v2/team/app/manifests/${image.digest}`;
    gate.fault((request, response) => {
      if (request.url?.startsWith('/v2/team/app/manifests/') !== true) return false;
      response.writeHead(307, { location: `${evil.url}${request.url}` }).end();
      return true;
    });
    expect((await gate.call('GET', manifest, { headers })).status).toBe(503);
    expect(evil.seen).toEqual([]);
    gate.fault((request, response) => {
      if (request.url !== manifest) return false;
      const location = `http://${request.headers.host}/v2/team/moved/manifests/${image.digest}`;
      response.writeHead(301, { location }).end();
      return true;
    });
    await pushImage(gate.registry, 'team/moved', image);
    expect((await gate.call('GET', manifest, { headers })).status).toBe(200);
  });

  it('stream through the gate with back-pressure, and a cut in the storage is a cut here', async () => {
    const total = 64 * MIB;
    let cut = 0;
    const host = await storageHost((_, response) => {
      response.writeHead(200, { 'content-length': total });
      const chunk = Buffer.alloc(MIB, 1);
      let sent = 0;
      const more = (): void => {
        while (sent < total) {
          if (cut > 0 && sent >= cut) return void response.destroy();
          sent += MIB;
          if (!response.write(chunk)) return void response.once('drain', more);
        }
        response.end();
      };
      more();
    });
    const { gate, layer } = await site([host]);
    redirect(gate, (digest) => `${host.url}/${digest}`);
    const whole = await gate.call('GET', `/v2/team/app/blobs/${layer}`);
    expect(whole.body.length).toBe(total);
    cut = 3 * MIB;
    await expect(gate.call('GET', `/v2/team/app/blobs/${layer}`)).rejects.toThrow('aborted');
  });
});
