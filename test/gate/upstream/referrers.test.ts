import type { ServerResponse } from 'node:http';
import { afterEach, describe, expect, it } from 'vitest';
import { SERVICE } from '../../../src/gate/access/caller.ts';
import { openUpstream } from '../../../src/gate/upstream/open.ts';
import { LIMITS } from '../../../src/lib/limits.ts';
import { MEDIA } from '../../../src/oci/media-types.ts';
import type { ReferrerList } from '../../../src/oci/referrers.ts';
import { digestFor } from '../../support/store.ts';
import { startWireServer } from '../../support/wire-server.ts';

const SUBJECT = digestFor('a');
const START = `/v2/team/app/referrers/${SUBJECT}`;

const undo: (() => unknown)[] = [];
afterEach(async () => {
  for (const one of undo.splice(0)) await one();
});

type Page = (url: string, response: ServerResponse) => void;

async function listed(
  page: Page,
): Promise<{ readonly list: ReferrerList | null; readonly asked: readonly string[] }> {
  const wire = await startWireServer((request, response) => page(request.url ?? '', response));
  const upstream = openUpstream({ origin: wire.url, passCredentials: false });
  undo.push(
    () => upstream.close(),
    () => wire.stop(),
  );
  const list = await upstream.referrers('team/app', SUBJECT, SERVICE);
  return { list, asked: wire.seen.map((one) => one.line) };
}

function index(response: ServerResponse, from: number, count: number, link?: string): void {
  const manifests = Array.from({ length: count }, (_, i) => ({
    mediaType: MEDIA.ociManifest,
    digest: `sha256:${(from + i).toString(16).padStart(64, '0')}`,
    size: 2,
    artifactType: 'application/vnd.test',
  }));
  response.writeHead(200, {
    'content-type': MEDIA.ociIndex,
    ...(link === undefined ? {} : { link: `<${link}>; rel="next"` }),
  });
  response.end(JSON.stringify({ schemaVersion: 2, mediaType: MEDIA.ociIndex, manifests }));
}

describe('the referrers that upstream lists', () => {
  it('are read page by page, in its order', async () => {
    const { list, asked } = await listed((url, response) =>
      url === START ? index(response, 0, 2, `${START}?last=2`) : index(response, 2, 1),
    );
    expect(list?.complete).toBe(true);
    expect(list?.descriptors.map((one) => Number.parseInt(one.digest.slice(-2), 16))).toEqual([
      0, 1, 2,
    ]);
    expect(asked).toEqual([`GET ${START}`, `GET ${START}?last=2`]);
  });

  it('are an empty list where there are none, and null where there is no such API', async () => {
    expect((await listed((_, response) => index(response, 0, 0))).list).toEqual({
      descriptors: [],
      complete: true,
    });
    for (const status of [404, 405]) {
      const { list } = await listed((_, response) => void response.writeHead(status).end('no'));
      expect(list).toBeNull();
    }
    const page = await listed((_, response) => {
      response.writeHead(200, { 'content-type': 'text/html' }).end('<html>');
    });
    expect(page.list).toBeNull();
  });

  it('T-60: end where a page leads back, after some pages, and after a thousand entries', async () => {
    const cycle = await listed((_, response) => index(response, 0, 1, START));
    expect(cycle).toMatchObject({ list: { complete: false }, asked: [`GET ${START}`] });
    let page = 0;
    const endless = await listed((_, response) => index(response, page, 1, `${START}?n=${page++}`));
    expect(endless.list?.complete).toBe(false);
    expect(endless.asked).toHaveLength(LIMITS.referrerPages);
    const crowd = await listed((_, response) => index(response, 0, 1001));
    expect(crowd.list?.complete).toBe(false);
    expect(crowd.list?.descriptors).toHaveLength(LIMITS.referrers);
  });

  it('T-72: are never asked for on another origin', async () => {
    const elsewhere = await startWireServer((_, response) => index(response, 9, 1));
    undo.push(() => elsewhere.stop());
    const asking = listed((_, response) => index(response, 0, 1, `${elsewhere.url}${START}?p=2`));
    await expect(asking).rejects.toMatchObject({ code: 'UPSTREAM_INVALID' });
    expect(elsewhere.seen).toEqual([]);
  });

  it('T-57: are not known where upstream refuses, limits, fails, breaks off or sends too much', async () => {
    for (const status of [401, 403, 429, 500, 503]) {
      const asking = listed((_, response) => void response.writeHead(status).end('{}'));
      await expect(asking).rejects.toMatchObject({ code: 'UPSTREAM_UNAVAILABLE' });
    }
    const later = listed((url, response) =>
      url === START ? index(response, 0, 1, '?p=2') : void response.writeHead(404).end(),
    );
    await expect(later).rejects.toMatchObject({ code: 'UPSTREAM_UNAVAILABLE' });
    const cut = listed((_, response) => {
      response.writeHead(200, { 'content-type': MEDIA.ociIndex, 'content-length': 100 });
      response.write('{"schema', () => response.destroy());
    });
    await expect(cut).rejects.toMatchObject({ code: 'UPSTREAM_UNAVAILABLE' });
    const huge = listed((_, response) => {
      response.writeHead(200, { 'content-type': MEDIA.ociIndex });
      response.end(Buffer.alloc(LIMITS.manifestBytes + 1, 32));
    });
    await expect(huge).rejects.toMatchObject({ code: 'UPSTREAM_INVALID' });
    const twice = listed((_, response) => {
      response.writeHead(200, { 'content-type': MEDIA.ociIndex });
      response.end('{"schemaVersion":2,"manifests":[],"manifests":[]}');
    });
    await expect(twice).rejects.toMatchObject({ code: 'UPSTREAM_INVALID' });
  });
});
