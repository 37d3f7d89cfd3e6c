import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createSite } from '../../support/countersign.ts';
import { suiteScope } from '../../support/scope.ts';

describe('countersign root rotate', () => {
  const scope = suiteScope();

  it('makes no new root key for who forgot --server-keys', async () => {
    const site = createSite(join(scope.folder(), 'site'));
    const args = ['root', 'rotate', '--expired-timestamp', 'registry.example.com/team/app'];
    expect(await site.cli(args)).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('expected --expired-timestamp with --server-keys'),
    });
  });
});
