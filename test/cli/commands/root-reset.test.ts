import { beforeAll, describe, expect, it } from 'vitest';
import type { Holding } from '../../support/holding.ts';
import { startHolding } from '../../support/holding.ts';
import { buildImage, pushImage } from '../../support/image.ts';
import { suiteScope } from '../../support/scope.ts';

describe('countersign root reset', () => {
  const scope = suiteScope();
  let holding: Holding;
  beforeAll(async () => {
    holding = await startHolding(scope);
    await pushImage(holding.service.url, 'team/app', buildImage(), '1');
    await holding.cli('sign', holding.at('team/app:1'), '--key', 'release-bot');
  });
  /** By the host's own name: under an alias there is no trust data. */
  const at = (name: string): string => `localhost:${holding.service.host.split(':')[1]}/${name}`;

  it('warns where the registry has nothing of that name: it may be a slip', async () => {
    const reset = (name: string) => holding.cli('root', 'reset', at(name), '--reason', 'lost');
    expect(await reset('team/app')).toMatchObject({
      code: 0,
      stderr: expect.not.stringContaining('a slip?'),
    });
    expect(await reset('team/aap')).toMatchObject({
      code: 0,
      stderr: expect.stringContaining(`warning: ${at('team/aap')} has no images (a slip?`),
    });
  });
});
