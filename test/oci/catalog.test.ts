import { describe, expect, it } from 'vitest';
import { wireRegistries } from '../support/wire-registry.ts';
import { answerError } from '../support/wire-server.ts';

describe('the list of repositories', () => {
  const { serve, clientOf } = wireRegistries();

  it('is read page by page, and what is no name of the grammar left out', async () => {
    const server = await serve((request, response) => {
      const last = new URL(request.url ?? '', 'http://x').searchParams.get('last');
      if (last === null) response.setHeader('link', '</v2/_catalog?n=1000&last=b>; rel="next"');
      const repositories = last === null ? ['a', '../b', 'B'] : ['team/c'];
      response.end(JSON.stringify({ repositories }));
    });
    expect(await clientOf(server).repositories()).toEqual(['a', 'team/c']);
    expect(server.seen.map((one) => one.line)).toEqual([
      'GET /v2/_catalog?n=1000',
      'GET /v2/_catalog?n=1000&last=b',
    ]);
  });

  it('is null where the registry has none, and a refusal where it is not the caller’s', async () => {
    const none = await serve((_request, response) =>
      answerError(response, 404, 'NAME_UNKNOWN', ''),
    );
    expect(await clientOf(none).repositories()).toBeNull();
    const closed = await serve((_request, response) => answerError(response, 403, 'DENIED', 'no'));
    await expect(clientOf(closed).repositories()).rejects.toMatchObject({ code: 'FORBIDDEN' });
  });

  it('never passes for whole where a later page is missing', async () => {
    const server = await serve((request, response) => {
      if (request.url?.includes('last=') === true) answerError(response, 404, 'NAME_UNKNOWN', '');
      else {
        response.setHeader('link', '</v2/_catalog?last=a>; rel="next"');
        response.end('{"repositories":["a"]}');
      }
    });
    await expect(clientOf(server).repositories()).rejects.toMatchObject({
      code: 'UPSTREAM_INVALID',
    });
  });

  it('a POST to the API is sent again where the service is busy and the caller allows it', async () => {
    let asked = 0;
    const server = await serve((_request, response) => {
      if (++asked === 2) response.end('{}');
      else response.writeHead(429, { 'retry-after': '0' }).end();
    });
    const client = clientOf(server);
    await expect(client.api('POST', '/api/v1/decisions', {})).rejects.toMatchObject({
      code: 'UPSTREAM_UNAVAILABLE',
    });
    expect(asked).toBe(1);
    expect(await client.api('POST', '/api/v1/decisions', {}, true)).toMatchObject({ status: 200 });
  });
});
