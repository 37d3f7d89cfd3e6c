import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { digestOf } from '../../../src/oci/digest.ts';
import { MEDIA } from '../../../src/oci/media-types.ts';
import type { Attacked } from '../../support/attacked.ts';
import { as, attackedGates } from '../../support/attacked.ts';
import type { Called } from '../../support/http-call.ts';
import type { TestImage } from '../../support/image.ts';
import { contentImage, pushBlob, pushImage } from '../../support/image.ts';
import { answerError } from '../../support/wire-server.ts';

const ACCESS = `  - { repositories: ["\${registry}/team/**"], pull: [ci, dev], push: [ci], delete: [boss] }\n`;

const put = (
  gate: Attacked,
  reference: string,
  body: Uint8Array,
  contentType: string | null = MEDIA.ociManifest,
  headers: Record<string, string> = {},
): Promise<Called> =>
  gate.call('PUT', `/v2/team/app/manifests/${reference}`, {
    body,
    headers: { ...headers, ...(contentType === null ? {} : { 'content-type': contentType }) },
  });

/** What the registry behind has under a tag, or the status that it answers instead. */
async function behind(gate: Attacked, tag: string): Promise<unknown> {
  const { hostname, port } = new URL(gate.registry);
  const answer = await fetch(`http://${hostname}:${port}/v2/team/app/manifests/${tag}`);
  await answer.arrayBuffer();
  return answer.status === 200 ? answer.headers.get('docker-content-digest') : answer.status;
}

async function withBlobs(gate: Attacked, content: string): Promise<TestImage> {
  const made = contentImage(content);
  for (const bytes of made.blobs.values()) await pushBlob(gate.url, 'team/app', bytes);
  return made;
}

describe('a push', () => {
  const attacked = attackedGates();

  it.each([
    ['reject', 403, 404],
    ['hold', 201, 404],
    ['allow', 201, 200],
  ])('of an unsigned image by tag under push: %s is answered %i', async (rule, status, tagged) => {
    const gate = await attacked({ policy: `push: ${rule}` });
    const made = await withBlobs(gate, 'unsigned\n');
    const answer = await put(gate, '1', made.manifest);
    expect(answer.status).toBe(status);
    expect(await behind(gate, '1')).toBe(tagged === 200 ? made.digest : tagged);
    if (status === 201) expect(answer.headers['docker-content-digest']).toBe(made.digest);
    if (rule === 'hold') expect(answer.headers['warning']).toContain('held until it is signed');
    // Whatever the rule of pushes, a pull needs the signature.
    expect((await gate.call('GET', `/v2/team/app/manifests/${made.digest}`)).status).not.toBe(200);
    expect((await gate.sign('team/app', made.digest)).status).toBe(201);
    expect((await put(gate, '2', made.manifest)).status).toBe(201);
    expect((await gate.call('GET', '/v2/team/app/manifests/2')).body).toEqual(made.manifest);
  });

  it('of an unsigned image is taken under mode warn, with a warning, and under mode off without', async () => {
    for (const mode of ['warn', 'off']) {
      const gate = await attacked({
        more: `  - { name: soft, images: ["\${registry}/team/app"], mode: ${mode}, tags: registry, require: [{ signatures: { by: [bot], formats: [cosign] } }] }\n`,
      });
      const made = await withBlobs(gate, 'unsigned\n');
      const answer = await put(gate, '1', made.manifest);
      expect(answer.status).toBe(201);
      expect(answer.headers['warning'] === undefined).toBe(mode === 'off');
      expect(await behind(gate, '1')).toBe(made.digest);
    }
  });

  it('by digest is passed on: content without a name is unreachable', async () => {
    const gate = await attacked({ policy: 'push: reject' });
    const made = await withBlobs(gate, 'nameless\n');
    expect((await put(gate, made.digest, made.manifest)).status).toBe(201);
    const sha512 = digestOf(made.manifest, 'sha512');
    expect((await put(gate, sha512, made.manifest)).headers['docker-content-digest']).toBe(sha512);
    for (const digest of [made.digest, sha512])
      expect((await gate.call('GET', `/v2/team/app/manifests/${digest}`)).status).toBe(403);
  });

  it('T-11, T-37, T-59: of what is no strict manifest is refused and nothing reaches the registry', async () => {
    const gate = await attacked({ policy: 'push: allow' });
    const made = await withBlobs(gate, 'odd\n');
    const text = made.manifest.toString();
    gate.asked();
    const bad = async (
      body: string | Buffer,
      type: string | null,
      status: number,
    ): Promise<void> => {
      for (const reference of ['1', digestOf(Buffer.from(body))]) {
        const answer = await put(gate, reference, Buffer.from(body), type);
        expect([body.slice(0, 60), type, answer.status]).toEqual([body.slice(0, 60), type, status]);
        expect(answer.code).toMatch(/^(?:MANIFEST_INVALID|SIZE_INVALID)$/);
      }
    };
    for (const body of [
      '',
      '{}',
      '[]',
      text.slice(0, -1),
      `${text}x`,
      `\ufeff${text}`,
      text.replace('{', '{"schemaVersion":2,'),
      text.replace('"layers"', '"manifests":[],"layers"'),
      text.replace('"schemaVersion":2', '"schemaVersion":1'),
      text.replace('sha256:', 'sha256:../../'),
      text.replace(/"size":\d+/, '"size":-1'),
      text.replace(/"layers":\[.*\]/, '"layers":{}'),
    ])
      await bad(body, MEDIA.ociManifest, 400);
    await bad(text, null, 400);
    for (const type of ['text/plain', MEDIA.ociIndex, MEDIA.dockerManifest, 'application/json'])
      await bad(text, type, 400);
    await bad(Buffer.alloc(4 * 1024 * 1024 + 1, 0x20), MEDIA.ociManifest, 413);
    expect(gate.asked().filter((line) => line.startsWith('PUT'))).toEqual([]);
  });

  it('T-59: that is too large without saying so is refused with 413 before its end', async () => {
    const gate = await attacked({ policy: 'push: allow' });
    const endless = (async function* () {
      for (let n = 0; n < 80; n++) yield Buffer.alloc(65536, 0x20);
      await sleep(5000);
    })();
    const answer = await gate.call('PUT', '/v2/team/app/manifests/1', {
      headers: { 'content-type': MEDIA.ociManifest },
      body: endless,
    });
    expect(answer).toMatchObject({ status: 413, code: 'SIZE_INVALID' });
  });

  it('under another digest than its own is refused', async () => {
    const gate = await attacked({ policy: 'push: allow' });
    const made = await withBlobs(gate, 'a\n');
    const answer = await put(gate, contentImage('b\n').digest, made.manifest);
    expect(answer).toMatchObject({ status: 400, code: 'DIGEST_INVALID' });
  });

  it('that cannot be judged is 503, is not held and reaches no tag', async () => {
    const gate = await attacked({ policy: 'push: hold' });
    const made = await withBlobs(gate, 'unknown\n');
    gate.fault((request, response) => {
      const hit = request.url?.endsWith('.sig') === true;
      if (hit) answerError(response, 500, 'UNKNOWN', 'trouble');
      return hit;
    });
    const answer = await put(gate, '1', made.manifest);
    expect(answer).toMatchObject({ status: 503, code: 'UNAVAILABLE' });
    gate.fault(null);
    expect(await behind(gate, '1')).toBe(404);
    expect(JSON.parse((await gate.call('GET', '/api/v1/holds')).text)).toEqual({ holds: [] });
  });

  it('of what is revoked is refused and never held, signed or not, under every rule', async () => {
    for (const rule of ['reject', 'hold', 'allow']) {
      const gate = await attacked({ policy: `push: ${rule}` });
      const made = await withBlobs(gate, 'revoked\n');
      expect((await gate.sign('team/app', made.digest)).status).toBe(201);
      const revoke = await gate.call('POST', '/api/v1/revocations', {
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ image: `${gate.host}/team/app@${made.digest}` }),
      });
      expect(revoke.status).toBe(200);
      const answer = await put(gate, '1', made.manifest);
      expect([rule, answer.status, answer.text.includes('revoked')]).toEqual([rule, 403, true]);
      expect(await behind(gate, '1')).toBe(404);
      expect(JSON.parse((await gate.call('GET', '/api/v1/holds')).text)).toEqual({ holds: [] });
    }
  });

  it('of a tag that upstream refuses is told so, and remembered as nothing', async () => {
    const gate = await attacked({ policy: 'push: allow' });
    const made = contentImage('no blobs\n');
    const answer = await put(gate, '1', made.manifest);
    expect([answer.status, answer.code]).toEqual([400, 'MANIFEST_BLOB_UNKNOWN']);
    expect((await gate.call('GET', `/v2/team/app/manifests/${made.digest}`)).status).toBe(404);
  });

  it('T-33, T-34, T-35: needs the right to push, and deleting a right of its own and the policy, also of a tag', async () => {
    for (const rule of ['deny', 'allow']) {
      const gate = await attacked({ policy: `push: allow\n    delete: ${rule}`, access: ACCESS });
      const made = contentImage('mine\n');
      await pushImage(gate.url, 'team/app', made, 'latest', as('ci'));
      for (const [headers, status] of [
        [{}, 401],
        [as('dev'), 403],
        [as('boss'), 403],
      ] as const) {
        const answer = await put(gate, 'latest', made.manifest, MEDIA.ociManifest, headers);
        expect(answer.status).toBe(status);
        const start = await gate.call('POST', '/v2/team/app/blobs/uploads/', { headers });
        expect(start.status).toBe(status);
      }
      for (const reference of [
        'manifests/latest',
        `manifests/${made.digest}`,
        `blobs/${[...made.blobs.keys()][0]}`,
      ]) {
        const remove = async (headers: Record<string, string>): Promise<number> =>
          (await gate.call('DELETE', `/v2/team/app/${reference}`, { headers })).status;
        expect([await remove({}), await remove(as('ci')), await remove(as('dev'))]).toEqual([
          401, 403, 403,
        ]);
        expect([rule, reference, await remove(as('boss'))]).toEqual([
          rule,
          reference,
          rule === 'allow' ? 202 : 403,
        ]);
      }
      expect(await behind(gate, 'latest')).toBe(rule === 'allow' ? 404 : made.digest);
    }
  });
});
