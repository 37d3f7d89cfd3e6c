import { describe, expect, it } from 'vitest';
import { createAccess } from '../../../src/gate/access/access.ts';
import type { Caller } from '../../../src/gate/access/caller.ts';
import { Pushers } from '../../../src/gate/access/pushers.ts';
import { unwrap } from '../../../src/lib/result.ts';
import { repositoryOf } from '../../../src/oci/reference.ts';
import { as, attackedGates } from '../../support/attacked.ts';
import { call } from '../../support/http-call.ts';
import type { TestImage } from '../../support/image.ts';
import { contentImage, pushBlob, pushImage } from '../../support/image.ts';
import { answerError } from '../../support/wire-server.ts';

const MANIFEST = '/v2/team/app/manifests';

describe('HEAD of what is not trusted', () => {
  const attacked = attackedGates();

  /** A gate before a registry that has an unsigned image under tag `1`, put there round the gate. */
  async function stocked(options: Parameters<typeof attacked>[0] = {}) {
    const gate = await attacked(options);
    const made = contentImage('unsigned\n');
    await pushImage(gate.registry, 'team/app', made, '1');
    const head = async (reference: string, headers = {}): Promise<number> =>
      (await gate.call('HEAD', `${MANIFEST}/${reference}`, { headers })).status;
    return { gate, made, head };
  }

  const blobOf = (made: TestImage): string => [...made.blobs.keys()][0] ?? '';

  it('is 403 to who only pulls, and 404 to who pushed to the repository within ten minutes', async () => {
    const { gate, made, head } = await stocked();
    expect([await head('1'), await head(made.digest)]).toEqual([403, 403]);
    await pushBlob(gate.url, 'team/app', Buffer.from('a layer'));
    expect([await head('1'), await head(made.digest)]).toEqual([404, 404]);
    gate.later(599_000);
    expect(await head('1')).toBe(404);
    gate.later(2_000);
    expect(await head('1')).toBe(403);
  });

  it('is 404 after a manifest was pushed, and in no other repository', async () => {
    const { gate, made, head } = await stocked();
    await pushImage(gate.registry, 'team/other', made, '1');
    const answer = await gate.call('PUT', `${MANIFEST}/${made.digest}`, {
      body: made.manifest,
      headers: { 'content-type': made.mediaType },
    });
    expect(answer.status).toBe(201);
    expect(await head('1')).toBe(404);
    expect((await gate.call('HEAD', '/v2/team/other/manifests/1')).status).toBe(403);
    expect(await head('1', { authorization: 'Basic b3RoZXI6b3RoZXI=' })).toBe(403);
  });

  it('is 404 for a minute after a HEAD of a blob, which only who pushes asks for first', async () => {
    const { gate, made, head } = await stocked();
    expect((await gate.call('GET', `/v2/team/app/blobs/${blobOf(made)}`)).status).toBe(200);
    expect(await head('1')).toBe(403);
    expect((await gate.call('HEAD', `/v2/team/app/blobs/${blobOf(made)}`)).status).toBe(200);
    expect(await head('1')).toBe(404);
    gate.later(61_000);
    expect(await head('1')).toBe(403);
  });

  it.each([
    ['hold', 201],
    ['reject', 403],
    ['allow', 201],
  ])('says under push: %s why a tag is refused as soon as it was pushed', async (push, status) => {
    const { gate, made, head } = await stocked({ policy: `push: ${push}` });
    const fresh = contentImage(`${push}\n`);
    const give = async (tag: string): Promise<number> => {
      for (const blob of fresh.blobs.values()) await pushBlob(gate.url, 'team/app', blob);
      expect(await head(tag)).toBe(404);
      const body = { body: fresh.manifest, headers: { 'content-type': fresh.mediaType } };
      return (await gate.call('PUT', `${MANIFEST}/${tag}`, body)).status;
    };
    expect(await give('new')).toBe(status);
    const told = await gate.call('HEAD', `${MANIFEST}/new`);
    if (push === 'reject') expect(told.status).toBe(404);
    else
      expect([told.status, told.reason]).toEqual([403, expect.stringMatching(/held|not signed/)]);
    // Others of the repository may be on their way at the same time.
    expect(await head(made.digest)).toBe(404);
    expect(await give('new')).toBe(status);
    expect(await give('newer')).toBe(status);
    gate.later(11_000);
    expect(await head('1')).toBe(403);
  });

  it('is 403 after uploads that the registry refused', async () => {
    const { gate, head } = await stocked();
    gate.fault((request, response) => {
      const hit = request.method === 'POST';
      if (hit) answerError(response, 403, 'DENIED', 'not you');
      return hit;
    });
    expect((await gate.call('POST', '/v2/team/app/blobs/uploads/')).status).toBe(403);
    expect(await head('1')).toBe(403);
  });

  it('stays 503 where it could not be judged, and never changes what GET says', async () => {
    const { gate, made, head } = await stocked();
    await pushBlob(gate.url, 'team/app', Buffer.from('a layer'));
    for (const reference of ['1', made.digest]) {
      const got = await gate.call('GET', `${MANIFEST}/${reference}`);
      expect([got.status, got.code]).toEqual([403, 'DENIED']);
      expect(got.text).toContain('not signed');
    }
    const fresh = contentImage('other\n');
    await pushImage(gate.registry, 'team/app', fresh, '2');
    gate.fault((request, response) => {
      const hit = request.url?.endsWith('.sig') === true;
      if (hit) answerError(response, 500, 'UNKNOWN', 'trouble');
      return hit;
    });
    expect(await head('2')).toBe(503);
  });

  it('goes by the right alone where there are identities', async () => {
    const { gate, made, head } = await stocked({
      access: `  - { repositories: ["\${registry}/team/**"], pull: [ci, dev], push: [ci] }\n`,
    });
    expect([await head('1', as('ci')), await head('1', as('dev'))]).toEqual([404, 403]);
    await gate.call('HEAD', `/v2/team/app/blobs/${blobOf(made)}`, { headers: as('dev') });
    expect(await head('1', as('dev'))).toBe(403);
    expect((await call(gate.url, 'GET', `${MANIFEST}/1`, { headers: as('ci') })).status).toBe(403);
  });
});

describe('who pushes', () => {
  const repository = unwrap(repositoryOf('r.example.com', 'team/app'));
  const caller: Caller = {
    name: 'anonymous',
    authenticated: false,
    authorization: null,
    credentialKey: 'none',
    address: '192.0.2.1',
    loopback: false,
  };
  const open = createAccess([], false);

  it('is told by credential, address and repository together', () => {
    const pushers = new Pushers(open, () => new Date(0));
    pushers.wrote(caller, repository);
    expect(pushers.includes(caller, repository, null)).toBe(true);
    expect(pushers.includes({ ...caller, address: '192.0.2.2' }, repository, null)).toBe(false);
    expect(pushers.includes({ ...caller, credentialKey: 'other' }, repository, null)).toBe(false);
  });

  it('is not forgotten sooner because of a later sign that counts for less', () => {
    let now = 0;
    const pushers = new Pushers(open, () => new Date(now));
    pushers.wrote(caller, repository);
    pushers.probed(caller, repository);
    now = 120_000;
    expect(pushers.includes(caller, repository, null)).toBe(true);
  });

  it('is bounded: of a flood of names only the last are kept', () => {
    const pushers = new Pushers(open, () => new Date(0));
    pushers.wrote(caller, repository);
    for (let n = 0; n < 20_000; n++) {
      pushers.probed(caller, unwrap(repositoryOf('r.example.com', `flood/${n}`)));
    }
    expect(pushers.includes(caller, repository, null)).toBe(false);
  });
});
