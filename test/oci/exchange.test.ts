import { describe, expect, it } from 'vitest';
import { messageOf } from '../../src/lib/errors.ts';
import { digestOf } from '../../src/oci/digest.ts';
import { MEDIA } from '../../src/oci/media-types.ts';
import { wireRegistries } from '../support/wire-registry.ts';
import { answerError, giveManifest, MANIFEST } from '../support/wire-server.ts';

const DIGEST = digestOf(MANIFEST);
const OTHER = digestOf(Buffer.from('other'));

describe('when the registry is in trouble', () => {
  const { serve, clientOf } = wireRegistries();

  it('tries again, waiting as it is told to', async () => {
    let asked = 0;
    const server = await serve((_request, response) => {
      if (++asked === 1) response.writeHead(503, { 'retry-after': '0' }).end();
      else if (asked === 2) response.destroy();
      else giveManifest(response);
    });
    expect(await clientOf(server).manifest('a', 'v')).toMatchObject({ digest: DIGEST });
    expect(asked).toBe(3);
  });

  it('reads again what broke off', async () => {
    let asked = 0;
    const server = await serve((_request, response) => {
      if (++asked > 1) return giveManifest(response);
      response.writeHead(200, { 'content-length': String(MANIFEST.length) });
      response.write(MANIFEST.subarray(0, 5), () => response.destroy());
      return undefined;
    });
    expect(await clientOf(server).manifest('a', 'v')).toMatchObject({ digest: DIGEST });
  });

  it('says that it could not find out, with the reason, after a bounded number of tries', async () => {
    const server = await serve((_request, response) =>
      answerError(response, 503, 'UNAVAILABLE', 'the store is down'),
    );
    await expect(clientOf(server).manifest('a', 'v')).rejects.toMatchObject({
      code: 'UPSTREAM_UNAVAILABLE',
      message: expect.stringContaining('the store is down'),
    });
    expect(server.seen).toHaveLength(3);
  });

  it('does not wait longer than it may', async () => {
    const server = await serve((_request, response) => {
      response.setHeader('retry-after', '3600');
      answerError(response, 429, 'TOOMANYREQUESTS', 'come back later');
    });
    await expect(clientOf(server).manifest('a', 'v')).rejects.toMatchObject({
      code: 'UPSTREAM_UNAVAILABLE',
      message: expect.stringContaining('come back later'),
    });
    expect(server.seen).toHaveLength(1);
  });

  it('does not wait for ever for an answer', async () => {
    const server = await serve(() => {});
    const client = clientOf(server, {
      retry: { attempts: 1 },
      fetchTimeouts: { headers: 200 },
    });
    await expect(client.manifest('a', 'v')).rejects.toMatchObject({
      code: 'UPSTREAM_UNAVAILABLE',
      message: expect.stringContaining('in time'),
    });
  });

  it('says that nobody is there', async () => {
    const server = await serve(() => {});
    await server.stop();
    await expect(clientOf(server).manifest('a', 'v')).rejects.toMatchObject({
      code: 'UPSTREAM_UNAVAILABLE',
      message: expect.stringContaining('refused the connection'),
    });
  });

  it('ends with the reason of an abort', async () => {
    const controller = new AbortController();
    const server = await serve(() => controller.abort(new Error('interrupted')));
    const client = clientOf(server, { signal: controller.signal });
    await expect(client.manifest('a', 'v')).rejects.toThrow('interrupted');
  });
});

describe('when the registry refuses', () => {
  const { serve, clientOf } = wireRegistries();

  it("hands on the server's own words", async () => {
    const reason = 'h/prod/app:1 (sha256:ab12) not signed: policy production needs release-bot';
    const server = await serve((_request, response) =>
      answerError(response, 403, 'DENIED', reason, 'see record 7'),
    );
    const client = clientOf(server);
    await expect(client.putManifest('a', 'v', MANIFEST, MEDIA.ociManifest)).rejects.toMatchObject({
      code: 'FORBIDDEN',
      message: `${server.host} refused pushing a v: ${reason} - see record 7`,
    });
  });

  it('takes the reason phrase where there is no body', async () => {
    const server = await serve((_request, response) => {
      response.writeHead(403, 'Forbidden - not signed').end();
    });
    await expect(clientOf(server).hasManifest('a', 'v')).rejects.toMatchObject({
      code: 'FORBIDDEN',
      message: expect.stringContaining('not signed'),
    });
  });

  it('cleans and cuts what it hands on', async () => {
    const server = await serve((_request, response) =>
      answerError(response, 403, 'DENIED', `\u001b[2J\u202eevil\r\n${'x'.repeat(5000)}`),
    );
    const failure = await clientOf(server).manifest('a', 'v').then(String, messageOf);
    // oxlint-disable-next-line no-control-regex -- their absence is what is tested
    expect(failure).not.toMatch(/[\u0000-\u001f\u202e]/);
    expect(failure.length).toBeLessThan(600);
  });

  it.each([
    [400, 'MANIFEST_INVALID', 'MANIFEST_INVALID'],
    [404, 'NAME_UNKNOWN', 'NAME_UNKNOWN'],
    [413, 'SIZE_INVALID', 'TOO_LARGE'],
    [429, 'TOOMANYREQUESTS', 'UPSTREAM_UNAVAILABLE'],
    [418, 'TEAPOT', 'UPSTREAM_INVALID'],
    [200, 'NOTHING', 'UPSTREAM_INVALID'],
  ])('a push answered %i %s is %s', async (status, oci, code) => {
    const server = await serve((_request, response) => answerError(response, status, oci, 'm'));
    await expect(
      clientOf(server).putManifest('a', 'v', MANIFEST, MEDIA.ociManifest),
    ).rejects.toMatchObject({ code });
  });

  it('notices a registry that stored something else', async () => {
    const server = await serve((_request, response) => {
      response.writeHead(201, { 'docker-content-digest': OTHER }).end();
    });
    await expect(
      clientOf(server).putManifest('a', 'v', MANIFEST, MEDIA.ociManifest),
    ).rejects.toMatchObject({ code: 'UPSTREAM_INVALID' });
  });
});
