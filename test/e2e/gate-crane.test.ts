import { beforeAll, expect, it } from 'vitest';
import { clientPath } from '../support/clients.ts';
import { describeWithClients } from '../support/describe-with-clients.ts';
import { gateCases } from '../support/gate-cases.ts';
import { craneClient } from '../support/gate-clients/crane.ts';
import { image, notSigned, said } from '../support/gate-stage.ts';
import type { Guarded } from '../support/guarded.ts';
import { startGuarded } from '../support/guarded.ts';
import { buildIndex, pushImage } from '../support/image.ts';
import { run } from '../support/run.ts';
import { suiteScope } from '../support/scope.ts';

gateCases(craneClient);

// What pipelines promote images with: nothing is downloaded, a digest gets another name.
describeWithClients('crane copy and tag through the gate', ['crane', 'docker-registry'], () => {
  const scope = suiteScope();
  let guarded: Guarded;
  const at = (name: string): string => `${guarded.gate.host}/${name}`;
  const crane = async (...args: readonly string[]): Promise<string> =>
    said(await run(clientPath('crane'), args, { env: { DOCKER_CONFIG: scope.folder() } }));
  const digestAt = async (name: string): Promise<string> =>
    (await run(clientPath('crane'), ['digest', at(name)])).stdout.trim();

  beforeAll(async () => {
    guarded = await startGuarded(scope, 'docker-registry');
  });

  it('give another tag to a signed index', async () => {
    const index = buildIndex([image('amd64\n'), image('arm64\n')]);
    await guarded.pushSigned('reject/multi:1', index);
    expect(await crane('copy', at('reject/multi:1'), at('reject/multi:2'))).toMatch(/^done/);
    expect(await crane('tag', at('reject/multi:1'), '3')).toMatch(/^done/);
    expect(await digestAt('reject/multi:2')).toBe(index.digest);
    expect(await digestAt('reject/multi:3')).toBe(index.digest);
  });

  it('take nothing unsigned out of the gate, nor into it, and say why', async () => {
    const behind = guarded.upstream;
    await pushImage(behind?.url ?? '', 'allow/unsigned', image('unsigned\n'), '1');
    const away = `${behind?.host ?? ''}/elsewhere:1`;
    expect(await crane('copy', at('allow/unsigned:1'), away)).toMatch(notSigned('allow'));
    const unsigned = `${behind?.host ?? ''}/allow/unsigned:1`;
    expect(await crane('copy', unsigned, at('reject/unsigned:1'))).toMatch(notSigned('reject'));
  });
});
