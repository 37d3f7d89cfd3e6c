import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Digest } from '../../../src/oci/digest.ts';
import { MEDIA } from '../../../src/oci/media-types.ts';
import { canonicalKeyId } from '../../../src/tuf/public-key.ts';
import type { Attacked } from '../../support/attacked.ts';
import { attackedGates, pass } from '../../support/attacked.ts';
import type { TestImage } from '../../support/image.ts';
import { contentImage, pushImage } from '../../support/image.ts';
import { handOf, mapAt } from '../../support/map-at.ts';
import { makeHand } from '../../support/tuf.ts';

const GOOD = contentImage('good\n');
const NEXT = contentImage('next\n');
const EVIL = contentImage('evil\n');

const policy = (name: string, by: string, more = ''): string => `
  - name: ${name}
    images: ["\${registry}/${name}/**"]
    tags: signed
    push: hold
    require: [{ signatures: { by: [${by}], formats: [dct] } }]
    ${more}
`;
const POLICIES = [
  policy('owners', '"@repository"'),
  policy('named', 'bot'),
  policy('warned', '"@repository"', 'mode: warn'),
  policy('current', '"@repository"', 'digests: current'),
].join('');

describe('tags by the signed map', () => {
  const open = attackedGates();
  const gateWith = (): Promise<Attacked> => open({ more: POLICIES });

  const accept = `${MEDIA.ociManifest}, ${MEDIA.ociIndex}`;
  const pull = (gate: Attacked, path: string, reference: string, method = 'GET') =>
    gate.call(method, `/v2/${path}/manifests/${reference}`, { headers: { accept } });
  /** What every surface says of a pull: the digest that is served, or the status, by GET, HEAD and the API. */
  async function asked(gate: Attacked, path: string, reference: string): Promise<string> {
    const get = await pull(gate, path, reference);
    const head = await pull(gate, path, reference, 'HEAD');
    const image = `${gate.host}/${path}${reference.includes(':') ? '@' : ':'}${reference}`;
    const decision = await gate.call('POST', '/api/v1/decisions', {
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ image, action: 'pull' }),
    });
    const served = (answer: typeof get): string =>
      answer.status === 200 ? String(answer.headers['docker-content-digest']) : `${answer.status}`;
    const { decision: said = 'none', digest = '' } = JSON.parse(decision.text) as {
      decision?: string;
      digest?: string;
    };
    const api = said === 'allow' ? digest : said === 'deny' ? '403' : `${decision.status}`;
    expect([served(head), api]).toEqual([served(get), served(get)]);
    return served(get);
  }
  /** Puts an image under a tag in the registry itself, round the gate. */
  const behind = (gate: Attacked, path: string, image: TestImage, tag: string) =>
    pushImage(gate.registry, path, image, tag);
  const put = (gate: Attacked, path: string, image: TestImage, tag: string) =>
    pushImage(gate.url, path, image, tag);
  const inRegistry = async (gate: Attacked, path: string, tag: string) => {
    const found = await fetch(`${gate.registry}/v2/${path}/manifests/${tag}`, {
      method: 'HEAD',
      headers: { accept },
    });
    return found.status === 200 ? found.headers.get('docker-content-digest') : null;
  };
  const all = (tag: string, digest: Digest) => ({ targets: { [tag]: digest } });

  it('serve what was signed, whatever the registry has under the tag, by GET, HEAD and the API', async () => {
    const gate = await gateWith();
    await behind(gate, 'owners/app', GOOD, '1');
    await behind(gate, 'owners/app', EVIL, 'evil');
    const map = await mapAt(gate, 'owners/app');
    expect((await map.publish(all('1', GOOD.digest))).status).toBe(200);
    expect(await asked(gate, 'owners/app', '1')).toBe(GOOD.digest);
    await behind(gate, 'owners/app', EVIL, '1');
    expect(await asked(gate, 'owners/app', '1')).toBe(GOOD.digest);
    expect(await asked(gate, 'owners/app', GOOD.digest)).toBe(GOOD.digest);
    expect(await asked(gate, 'owners/app', EVIL.digest)).toBe('403');
  });

  it('T-55: are not served by an older verdict after a withdrawal of which nobody knows whether it is stored', async () => {
    const gate = await gateWith();
    await behind(gate, 'current/app', GOOD, '1');
    const map = await mapAt(gate, 'current/app');
    await map.publish(all('1', GOOD.digest));
    expect((await pull(gate, 'current/app', GOOD.digest)).status).toBe(200);
    // Committed, and then the mark beside the database cannot be put in its place.
    const mark = join(gate.folder, 'countersign-data', 'high-water.json');
    rmSync(mark);
    mkdirSync(join(mark, 'in the way'), { recursive: true });
    expect((await map.publish({ targets: {} })).status).toBe(503);
    for (const reference of ['1', GOOD.digest])
      expect((await pull(gate, 'current/app', reference)).status).toBe(403);
  });

  it('are refused where the map has no entry, and not found where the registry has none either', async () => {
    const gate = await gateWith();
    await behind(gate, 'owners/app', GOOD, '1');
    await behind(gate, 'owners/app', GOOD, 'other');
    expect(await asked(gate, 'owners/app', '1')).toBe('403');
    const map = await mapAt(gate, 'owners/app');
    await map.publish(all('1', GOOD.digest));
    expect(await asked(gate, 'owners/app', '1')).toBe(GOOD.digest);
    // The digest is signed, and this name for it is not.
    expect(await asked(gate, 'owners/app', 'other')).toBe('403');
    expect(await asked(gate, 'owners/app', 'nothing')).toBe('404');
  });

  it('are not found where the registry lacks what was signed', async () => {
    const gate = await gateWith();
    await behind(gate, 'owners/app', EVIL, '1');
    const map = await mapAt(gate, 'owners/app');
    await map.publish(all('1', GOOD.digest));
    expect((await pull(gate, 'owners/app', '1')).status).toBe(404);
    expect((await pull(gate, 'owners/app', '1', 'HEAD')).status).toBe(404);
  });

  it('under warn: the map wins where it has the tag, and the registry answers for the rest', async () => {
    const gate = await gateWith();
    await behind(gate, 'warned/app', GOOD, 'signed');
    await behind(gate, 'warned/app', EVIL, '1');
    await behind(gate, 'warned/app', EVIL, '2');
    const map = await mapAt(gate, 'warned/app');
    await map.publish(all('1', GOOD.digest));
    expect(await asked(gate, 'warned/app', '1')).toBe(GOOD.digest);
    expect(await asked(gate, 'warned/app', '2')).toBe(EVIL.digest);
  });

  it('change with the next publish, at once: another digest, none, none at all', async () => {
    const gate = await gateWith();
    for (const [image, tag] of [
      [GOOD, 'a'],
      [NEXT, 'b'],
    ] as const) {
      await behind(gate, 'current/app', image, tag);
    }
    const map = await mapAt(gate, 'current/app');
    await map.publish(all('1', GOOD.digest));
    expect(await asked(gate, 'current/app', '1')).toBe(GOOD.digest);
    expect(await asked(gate, 'current/app', GOOD.digest)).toBe(GOOD.digest);
    await map.publish(all('1', NEXT.digest));
    expect(await asked(gate, 'current/app', '1')).toBe(NEXT.digest);
    expect(await asked(gate, 'current/app', GOOD.digest)).toBe('403');
    await map.publish({ targets: {} });
    expect(await asked(gate, 'current/app', '1')).toBe('404');
    expect(await asked(gate, 'current/app', NEXT.digest)).toBe('403');
    await map.publish(all('1', GOOD.digest));
    expect(await asked(gate, 'current/app', '1')).toBe(GOOD.digest);
    expect((await map.remove()).status).toBe(200);
    expect(await asked(gate, 'current/app', GOOD.digest)).toBe('403');
  });

  it('T-01: are looked up anew where a publish comes between looking them up and judging them', async () => {
    const gate = await gateWith();
    await behind(gate, 'owners/app', GOOD, 'good');
    await behind(gate, 'owners/app', NEXT, 'next');
    const map = await mapAt(gate, 'owners/app');
    await map.publish(all('1', GOOD.digest));
    let published = 0;
    gate.fault((request, response) => {
      if (published > 0 || request.url?.endsWith(GOOD.digest) !== true) return false;
      published++;
      void map.publish(all('1', NEXT.digest)).finally(() => pass(gate.registry, request, response));
      return true;
    });
    const served = await pull(gate, 'owners/app', '1');
    expect(published).toBe(1);
    expect([served.status, served.headers['docker-content-digest']]).toEqual([200, NEXT.digest]);
  });

  it('T-26: are what the named signer says, whatever releases carries', async () => {
    const gate = await gateWith();
    await behind(gate, 'named/app', GOOD, 'good');
    await behind(gate, 'named/app', EVIL, '1');
    const mallory = await makeHand('ecdsa-p256');
    const map = await mapAt(gate, 'named/app', { mallory, bot: handOf(gate.signer) });
    const evil = { 1: EVIL.digest, 2: EVIL.digest };
    await map.publish({ 'targets/mallory': evil, 'targets/releases': evil });
    expect(await asked(gate, 'named/app', '1')).toBe('403');
    await map.publish({
      'targets/bot': { 1: GOOD.digest },
      'targets/mallory': evil,
      'targets/releases': evil,
    });
    expect(await asked(gate, 'named/app', '1')).toBe(GOOD.digest);
    expect(await asked(gate, 'named/app', '2')).toBe('404');
  });

  it('T-23: are not taken from a repository that was begun again under the pin, also after a restart', async () => {
    const gate = await gateWith();
    await behind(gate, 'owners/app', GOOD, 'good');
    await behind(gate, 'owners/app', EVIL, '1');
    const map = await mapAt(gate, 'owners/app');
    await map.publish(all('1', GOOD.digest));
    await map.remove();
    const thief = await mapAt(gate, 'owners/app');
    expect((await thief.publish(all('1', EVIL.digest))).status).toBe(200);
    const refused = async (): Promise<void> => {
      expect(await asked(gate, 'owners/app', '1')).toBe('403');
      expect((await pull(gate, 'owners/app', '1')).text).toMatch(
        /not signed.*trust data: .*pinned/,
      );
    };
    await refused();
    await gate.restart();
    await refused();
    // Who signs once more waits for nothing: what is pushed from here on says what mends it.
    await put(gate, 'owners/app', NEXT, 'new');
    await thief.publish(all('new', NEXT.digest));
    const held = await pull(gate, 'owners/app', 'new');
    expect(held.status).toBe(403);
    expect(held.text).toMatch(/is held: .*administrator.*countersign root reset \S+\/owners\/app/);
    expect(held.text).not.toContain('--local');
  });

  it('T-23: are not taken from an older state that is published again, also after a restart', async () => {
    const gate = await gateWith();
    await behind(gate, 'owners/app', GOOD, 'good');
    await behind(gate, 'owners/app', NEXT, 'next');
    const map = await mapAt(gate, 'owners/app');
    const old = await map.parts(all('1', GOOD.digest), 1, true);
    expect((await map.send(old)).status).toBe(200);
    expect((await map.send(await map.parts(all('1', NEXT.digest), 2))).status).toBe(200);
    expect(await asked(gate, 'owners/app', '1')).toBe(NEXT.digest);
    await map.remove();
    expect((await map.send(old)).status).toBe(200);
    const refused = async (): Promise<void> => {
      expect((await pull(gate, 'owners/app', '1')).status).toBe(404);
      expect((await pull(gate, 'owners/app', 'good')).text).toMatch(/trust data: .*older/);
    };
    await refused();
    await gate.restart();
    await refused();
    // Whoever goes on from where it was is believed again.
    expect((await map.send(await map.parts(all('1', NEXT.digest), 3))).status).toBe(200);
    expect(await asked(gate, 'owners/app', '1')).toBe(NEXT.digest);
  });

  it('fall with the key that signed them, once it is revoked', async () => {
    const gate = await gateWith();
    await behind(gate, 'named/app', GOOD, '1');
    const map = await mapAt(gate, 'named/app', { bot: handOf(gate.signer) });
    await map.publish({ 'targets/bot': { 1: GOOD.digest } });
    expect(await asked(gate, 'named/app', '1')).toBe(GOOD.digest);
    const revoked = await gate.call('POST', '/api/v1/revocations', {
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ key: gate.signer.publicKey.id, reason: 'lost' }),
    });
    expect(revoked.status).toBeLessThan(300);
    expect(await asked(gate, 'named/app', '1')).toBe('403');
    expect(await asked(gate, 'named/app', GOOD.digest)).toBe('403');
  });

  it('T-55: fall with a key of the repository that is revoked by the id that docker shows of it', async () => {
    for (const role of ['root', 'targets'] as const) {
      const gate = await gateWith();
      await behind(gate, 'owners/app', GOOD, '1');
      const map = await mapAt(gate, 'owners/app');
      await map.publish(all('1', GOOD.digest));
      expect(await asked(gate, 'owners/app', '1')).toBe(GOOD.digest);
      const key = canonicalKeyId(map.publisher.hands[role].key);
      const revoked = await gate.call('POST', '/api/v1/revocations', {
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ key, reason: 'stolen' }),
      });
      expect(revoked.status).toBeLessThan(300);
      expect([role, await asked(gate, 'owners/app', '1')]).toEqual([role, '403']);
    }
  });

  describe('held pushes', () => {
    it('are given their tag by the publish that signs them, overwrites included', async () => {
      const gate = await gateWith();
      const map = await mapAt(gate, 'owners/app');
      await put(gate, 'owners/app', GOOD, '1');
      expect(await inRegistry(gate, 'owners/app', '1')).toBeNull();
      const told = await pull(gate, 'owners/app', '1');
      expect([told.status, told.text]).toEqual([
        403,
        expect.stringMatching(
          /is held until it is signed.*docker trust sign --local.*, or countersign sign"/,
        ),
      ]);
      await map.publish(all('1', GOOD.digest));
      expect(await inRegistry(gate, 'owners/app', '1')).toBe(GOOD.digest);
      expect(await asked(gate, 'owners/app', '1')).toBe(GOOD.digest);
      await put(gate, 'owners/app', NEXT, '1');
      expect(await asked(gate, 'owners/app', '1')).toBe(GOOD.digest);
      // What `docker trust sign` does without --local: the old digest is signed once more.
      await map.publish(all('1', GOOD.digest));
      expect(await inRegistry(gate, 'owners/app', '1')).toBe(GOOD.digest);
      await map.publish(all('1', NEXT.digest));
      expect(await inRegistry(gate, 'owners/app', '1')).toBe(NEXT.digest);
      expect(await asked(gate, 'owners/app', '1')).toBe(NEXT.digest);
    });

    it('are on record with the signer who is asked for', async () => {
      const gate = await gateWith();
      const map = await mapAt(gate, 'named/app', { bot: handOf(gate.signer) });
      await put(gate, 'named/app', GOOD, '1');
      await map.publish({ 'targets/bot': { 1: GOOD.digest } });
      expect(await inRegistry(gate, 'named/app', '1')).toBe(GOOD.digest);
      const history = await gate.call('GET', `/api/v1/history?image=${gate.host}/named/app:1`);
      const events = JSON.parse(history.text) as {
        events: { type: string; data: { authority?: string; format?: string } }[];
      };
      expect(events.events.map((one) => one.type)).toContain('promoted');
      expect(
        events.events.filter((one) => one.type === 'signature').map((one) => one.data),
      ).toContainEqual(
        expect.objectContaining({
          format: 'dct',
          authority: 'bot',
          keyId: gate.signer.publicKey.id,
        }),
      );
    });

    it('are not given by an entry for another tag, by another signer, or that was withdrawn', async () => {
      const gate = await gateWith();
      const mallory = await makeHand('ecdsa-p256');
      const map = await mapAt(gate, 'named/app', { mallory, bot: handOf(gate.signer) });
      await map.publish({ 'targets/bot': { 1: GOOD.digest } });
      await map.publish({ 'targets/bot': {} });
      await put(gate, 'named/app', GOOD, '1');
      const given = () => inRegistry(gate, 'named/app', '1');
      expect(await given()).toBeNull();
      await map.publish({ 'targets/bot': { 2: GOOD.digest } });
      expect(await given()).toBeNull();
      const mine = { 1: GOOD.digest };
      await map.publish({ 'targets/bot': {}, 'targets/mallory': mine, 'targets/releases': mine });
      expect(await given()).toBeNull();
      await map.publish({ 'targets/bot': mine });
      expect(await given()).toBe(GOOD.digest);
    });
  });
});
