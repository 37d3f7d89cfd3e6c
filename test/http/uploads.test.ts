import { describe, expect, it } from 'vitest';
import { digestOf } from '../../src/oci/digest.ts';
import type { Attacked } from '../support/attacked.ts';
import { as, attackedGates } from '../support/attacked.ts';
import { buildImage, pushBlob, pushImage } from '../support/image.ts';
import { sendRaw, statusesOf } from '../support/raw-http.ts';
import { tarLayer } from '../support/tar.ts';

const MIB = 1024 * 1024;
const UPLOADS = '/v2/team/app/blobs/uploads/';
const ACCESS = `  - { repositories: ["\${registry}/team/**"], pull: [ci, dev], push: [ci] }
  - { repositories: ["\${registry}/secret/**"], pull: [boss], push: [boss] }
`;

/** What of all this reached the registry, without the paths' sessions. */
const reached = (gate: Attacked): string[] =>
  gate.asked().map((line) => line.replace(/uploads\/[0-9a-f]{32}/, 'uploads/ID'));

describe('an upload', () => {
  const attacked = attackedGates();

  it('is refused before its body is sent, where the client waits to be asked for it', async () => {
    const gate = await attacked({ access: ACCESS });
    const ask = (who: string, target: string, length = 10): string =>
      `PUT ${target} HTTP/1.1\r\nHost: ${gate.host}\r\n${who}Content-Type: application/vnd.oci.image.manifest.v1+json\r\nContent-Length: ${length}\r\nExpect: 100-continue\r\n\r\n`;
    const login = (name: string): string => `Authorization: ${as(name).authorization}\r\n`;
    for (const [request, status] of [
      [ask('', '/v2/team/app/manifests/1'), 401],
      [ask(login('dev'), '/v2/team/app/manifests/1'), 403],
      [ask(login('ci'), '/v2/team/app/manifests/1', 4 * MIB + 1), 413],
      [ask(login('ci'), '/v2/team/app/manifests/1?x=y'), 400],
      [ask(login('dev'), `${UPLOADS}00000000000000000000000000000000`), 403],
      [ask(login('ci'), '/v2/team/%61pp/manifests/1'), 400],
      [ask(login('ci'), '/nothing'), 404],
    ] as const) {
      const statuses = statusesOf(await sendRaw(gate.url, request));
      const asked = request.includes('/nothing') ? [100, 404] : [status];
      expect([request.split('\r\n', 1), statuses]).toEqual([request.split('\r\n', 1), asked]);
    }
    expect(gate.asked()).toEqual([]);
  });

  it('is asked for its body where nothing is against it, and stored', async () => {
    const gate = await attacked();
    const opened = await gate.call('POST', UPLOADS);
    const { pathname } = new URL(String(opened.headers.location), gate.url);
    const body = 'a layer\n';
    const digest = digestOf(Buffer.from(body));
    const answer = await sendRaw(
      gate.url,
      `PUT ${pathname}?digest=${digest} HTTP/1.1\r\nHost: ${gate.host}\r\nContent-Length: ${body.length}\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n${body}`,
    );
    expect(statusesOf(answer)).toEqual([100, 201]);
    expect((await gate.call('GET', `/v2/team/app/blobs/${digest}`)).text).toBe(body);
  });

  it('that is refused in the middle of its body gets the refusal, and no broken connection', async () => {
    const gate = await attacked({ access: ACCESS });
    for (const [method, target] of [
      ['PATCH', `${UPLOADS}00000000000000000000000000000000`],
      ['POST', `${UPLOADS}?digest=sha256:${'a'.repeat(64)}`],
      ['PUT', '/v2/team/app/manifests/1'],
    ] as const) {
      const body = Buffer.alloc(24 * MIB, 7);
      const answer = await gate.call(method, target, { body, headers: as('dev') });
      expect([method, answer.status, answer.code]).toEqual([method, 403, 'DENIED']);
    }
    expect(gate.asked()).toEqual([]);
  });

  it('mounts only what the caller could read at the source; all else becomes an ordinary upload', async () => {
    const gate = await attacked({
      access: `${ACCESS}  - { repositories: ["\${registry}/none/**"], pull: [ci] }\n`,
      more: `  - { name: linked, images: ["\${registry}/team/linked"], mode: enforce, tags: registry, blobs: linked, require: [{ signatures: { by: [bot], formats: [cosign] } }] }
  - { name: secret, images: ["\${registry}/secret/**"], mode: off, tags: registry }
`,
    });
    const bytes = Buffer.from('a layer\n');
    const digest = digestOf(bytes);
    for (const path of ['team/other', 'team/linked', 'secret/app', 'none/app'])
      await pushBlob(gate.registry, path, bytes);
    const mount = async (query: string): Promise<unknown> => {
      gate.asked();
      const { status } = await gate.call('POST', `${UPLOADS}?${query}`, { headers: as('ci') });
      return [status, reached(gate).at(-1)];
    };
    const plain = [202, `POST ${UPLOADS}`];
    for (const query of [
      `mount=${digest}&from=secret/app`,
      // Its blobs are only for those of trusted images, and it is governed by nothing.
      `mount=${digest}&from=team/linked`,
      `mount=${digest}&from=none/app`,
      `mount=${digest}`,
      `mount=${digest}&from=`,
      `mount=${digest}&from=team/../secret/app`,
      `mount=sha256:abc&from=team/other`,
      `mount=${digest}&from=secret/app&from=team/other`,
      `from=team/other`,
    ])
      expect([query, await mount(query)]).toEqual([query, plain]);
    expect(
      (await gate.call('HEAD', `/v2/team/app/blobs/${digest}`, { headers: as('ci') })).status,
    ).toBe(404);
    const asked = `POST ${UPLOADS}?${new URLSearchParams({ mount: digest, from: 'team/other' }).toString()}`;
    expect(await mount(`mount=${digest}&from=team/other`)).toEqual([201, asked]);
    const got = await gate.call('GET', `/v2/team/app/blobs/${digest}`, { headers: as('ci') });
    expect([got.status, got.body]).toEqual([200, bytes]);
  });

  it('mounts no manifest that is not trusted as if it were a blob', async () => {
    const gate = await attacked({ policy: 'push: allow' });
    const made = buildImage({ layers: [tarLayer({ content: 'unsigned\n' })] });
    await pushImage(gate.url, 'team/other', made, '1');
    gate.asked();
    const query = `mount=${made.digest}&from=team/other`;
    expect((await gate.call('POST', `${UPLOADS}?${query}`)).status).toBe(202);
    expect(reached(gate).filter((line) => line.includes('mount'))).toEqual([]);
  });

  it('begins with no parameters that the specification does not know', async () => {
    const gate = await attacked();
    gate.asked();
    const query = 'digest-algorithm=sha512&x=y&_state=z&tag=a';
    expect((await gate.call('POST', `${UPLOADS}?${query}`)).status).toBe(202);
    expect(reached(gate)).toEqual([`POST ${UPLOADS}?digest-algorithm=sha512`]);
  });
});
