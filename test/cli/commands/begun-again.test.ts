import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Holding } from '../../support/holding.ts';
import { startHolding } from '../../support/holding.ts';
import { call } from '../../support/http-call.ts';
import { buildImage, pushImage } from '../../support/image.ts';
import { suiteScope } from '../../support/scope.ts';

const RESET = /countersign root reset/;

describe('trust data that were deleted and begun again', () => {
  const scope = suiteScope();
  let holding: Holding;
  let host: string;
  beforeAll(async () => {
    holding = await startHolding(scope, { formats: ['dct'] });
    host = `localhost:${holding.service.host.split(':')[1]}`;
  });

  const push = (tag: string) =>
    pushImage(holding.service.url, 'team/app', buildImage({ annotations: { note: tag } }), tag);
  const sign = (tag: string) =>
    holding.cli('sign', `${host}/team/app:${tag}`, '--key', 'release-bot', '--format', 'dct');
  const pull = (tag: string) =>
    call(holding.service.url, 'GET', `/v2/team/app/manifests/${tag}`, { headers: { host } });

  it('are taken, and served to docker, as a notary-server would', async () => {
    await push('1');
    expect(await sign('1')).toMatchObject({ code: 0 });
    const gun = `${host}/team/app`;
    const deleted = await call(holding.service.url, 'DELETE', `/v2/${gun}/_trust/tuf/`, {
      headers: { host },
    });
    expect(deleted.status).toBe(200);
    // What docker's own `notary delete` clears away with it.
    rmSync(join(holding.site.folder, 'docker-config', 'trust', 'tuf'), { recursive: true });
    await push('2');
    expect((await sign('2')).output).toContain('signed (dct)');
  });

  it('name the reset in whatever is said of them', async () => {
    for (const tag of ['1', '2']) {
      const pulled = await pull(tag);
      expect([pulled.status, pulled.text]).toEqual([403, expect.stringMatching(RESET)]);
      expect(pulled.reason).toMatch(RESET);
      const verified = await holding.cli('verify', `${host}/team/app:${tag}`);
      expect(verified).toMatchObject({ code: 1, output: expect.stringMatching(RESET) });
      const name = `${host}/team/app:${tag}`;
      const explained = await holding.cli('policy', 'explain', name, '--server', host);
      expect(explained.output).toMatch(RESET);
    }
    const inspected = await holding.cli('inspect', `${host}/team/app`);
    expect(inspected.output).toMatch(RESET);
    const docker = await holding.cli('inspect', '--pretty', `${host}/team/app`);
    expect(docker).toMatchObject({ code: 1, output: expect.stringMatching(RESET) });
  });

  it('are told of by the API where one repository is asked for, alone and by its name', async () => {
    const ask = (query: string) =>
      call(holding.service.url, 'GET', `/api/v1/repositories?${query}`, { headers: { host } });
    const found = await ask(`repository=${host}/team/app`);
    expect(JSON.parse(found.text)).toMatchObject({
      repositories: [
        {
          repository: `${host}/team/app`,
          versions: { root: 1 },
          problem: expect.stringMatching(RESET),
        },
      ],
      next: null,
    });
    const none = await ask(`repository=${host}/team/none`);
    expect(JSON.parse(none.text)).toEqual({ repositories: [], next: null });
    for (const query of [
      `repository=${host}/team/app&limit=1`,
      'repository=%20',
      'repository=a:1',
    ]) {
      expect((await ask(query)).status).toBe(400);
    }
  });

  it('are not ok in the list of roots', async () => {
    const listed = await holding.cli('root', 'list', `${host}/team/app`);
    expect(listed).toMatchObject({ code: 3, output: expect.stringMatching(RESET) });
    expect(listed.output).toContain('unknown ');
    expect(listed.output).not.toMatch(/^ok/m);
  });

  it('count after the reset', async () => {
    const reset = await holding.cli('root', 'reset', `${host}/team/app`, '--reason', 'begun again');
    expect(reset).toMatchObject({ code: 0 });
    expect((await pull('2')).status).toBe(200);
    const listed = await holding.cli('root', 'list', `${host}/team/app`);
    expect(listed).toMatchObject({ code: 0, stdout: expect.stringMatching(/^ok/) });
  });
});
