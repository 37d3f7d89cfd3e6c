import { describe, expect, it } from 'vitest';
import { MEDIA } from '../../src/oci/media-types.ts';
import { wireRegistries } from '../support/wire-registry.ts';
import type { WireServer } from '../support/wire-server.ts';
import { bodyOf, giveManifest, MANIFEST, password } from '../support/wire-server.ts';

describe('logging in', () => {
  const { serve, clientOf } = wireRegistries();

  const basic = `Basic ${Buffer.from('alice:secret').toString('base64')}`;

  it('sends the password only after it was asked for, and says when it was not taken', async () => {
    const server = await serve((_request, response) => {
      response.writeHead(401, { 'www-authenticate': 'Basic realm="r"' }).end();
    });
    const client = clientOf(server, { credentials: password });
    await expect(client.manifest('a', 'v')).rejects.toMatchObject({
      code: 'UNAUTHENTICATED',
      message: expect.stringContaining(`docker login ${server.host}`),
    });
    expect(server.seen.map(({ headers }) => headers.authorization)).toEqual([undefined, basic]);
  });

  it('asks for the credentials of its own host alone', async () => {
    const asked: string[] = [];
    const server = await serve((_request, response) => {
      response.writeHead(401, { 'www-authenticate': 'Basic realm="r"' }).end();
    });
    const credentials = (host: string): Promise<null> => {
      asked.push(host);
      return Promise.resolve(null);
    };
    await expect(clientOf(server, { credentials }).manifest('a', 'v')).rejects.toMatchObject({
      code: 'UNAUTHENTICATED',
    });
    expect(asked).toEqual([server.host]);
  });

  it('gets one token per scope and keeps it', async () => {
    const server: WireServer = await serve((request, response) => {
      const url = new URL(request.url ?? '', 'http://x');
      if (url.pathname === '/token') {
        response.end(
          JSON.stringify({
            token: `t.${url.searchParams.get('scope')}`.replaceAll(/[:,]/g, '.'),
          }),
        );
      } else if (request.headers.authorization?.startsWith('Bearer ') === true) {
        if (request.method === 'PUT') response.writeHead(201).end();
        else giveManifest(response);
      } else {
        const realm = `Bearer realm="http://${request.headers.host}/token",service="s",scope="x"`;
        response.writeHead(401, { 'www-authenticate': realm }).end();
      }
    });
    const client = clientOf(server, { credentials: password });
    await client.manifest('a', 'v');
    await client.manifest('a', 'w');
    await client.putManifest('a', 'v', MANIFEST, MEDIA.ociManifest);
    await client.putManifest('a', 'w', MANIFEST, MEDIA.ociManifest);
    const tokens = server.seen.filter(({ line }) => line.includes('/token'));
    expect(
      tokens.map(({ line }) => new URL(line.slice(4), 'http://x').searchParams.get('scope')),
    ).toEqual(['repository:a:pull', 'repository:a:pull,push']);
    expect(tokens.map(({ headers }) => headers.authorization)).toEqual([basic, basic]);
    expect(server.seen.at(-1)?.headers.authorization).toBe('Bearer t.repository.a.pull.push');
  });

  it('gets a new token where the old one is no longer taken', async () => {
    let issued = 0;
    const server = await serve((request, response) => {
      if (request.url?.startsWith('/token') === true) {
        response.end(JSON.stringify({ access_token: `t${++issued}`, expires_in: 3600 }));
      } else if (request.headers.authorization === 'Bearer t2') giveManifest(response);
      else if (request.headers.authorization === 'Bearer t1' && request.url?.endsWith('v') === true)
        giveManifest(response);
      else
        response
          .writeHead(401, {
            'www-authenticate': `Bearer realm="http://${request.headers.host}/token"`,
          })
          .end();
    });
    const client = clientOf(server);
    expect(await client.manifest('a', 'v')).not.toBeNull();
    expect(await client.manifest('a', 'w')).not.toBeNull();
    expect(issued).toBe(2);
  });

  it('trades an identity token in by POST', async () => {
    let form = '';
    const server = await serve(async (request, response) => {
      if (request.url === '/token') {
        form = (await bodyOf(request)).toString();
        response.end('{"access_token":"good"}');
      } else if (request.headers.authorization === 'Bearer good') giveManifest(response);
      else
        response
          .writeHead(401, {
            'www-authenticate': `Bearer realm="http://${request.headers.host}/token",service=s`,
          })
          .end();
    });
    const credentials = (): Promise<{ kind: 'identity-token'; token: string }> =>
      Promise.resolve({ kind: 'identity-token', token: 'refresh' });
    await clientOf(server, { credentials }).manifest('a', 'v');
    expect(Object.fromEntries(new URLSearchParams(form))).toMatchObject({
      grant_type: 'refresh_token',
      refresh_token: 'refresh',
      service: 's',
      scope: 'repository:a:pull',
    });
  });

  it('sends nothing at all to a realm that is not the registry’s own', async () => {
    const thief = await serve((_request, response) => void response.end('{"token":"x"}'));
    const server = await serve((_request, response) => {
      response
        .writeHead(401, { 'www-authenticate': `Bearer realm="${thief.url}/token",service="s"` })
        .end();
    });
    const client = clientOf(server, { credentials: password });
    await expect(client.manifest('a', 'v')).rejects.toMatchObject({ code: 'FORBIDDEN' });
    expect(thief.seen).toEqual([]);
  });

  it.each(['{"token":"a b"}', '{"token":"a\\r\\nx: y"}', '{"token":7}', '{}', 'x'])(
    'does not use %s as a token',
    async (body) => {
      const server = await serve((request, response) => {
        if (request.url?.startsWith('/token') === true) response.end(body);
        else
          response
            .writeHead(401, {
              'www-authenticate': `Bearer realm="http://${request.headers.host}/token"`,
            })
            .end();
      });
      await expect(clientOf(server).manifest('a', 'v')).rejects.toMatchObject({
        code: 'UPSTREAM_INVALID',
      });
    },
  );
});
