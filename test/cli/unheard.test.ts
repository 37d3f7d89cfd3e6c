import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { freePort } from '../support/child.ts';
import { answers } from '../support/docker-registry.ts';
import { createSite, ENTRY } from '../support/countersign.ts';
import { suiteScope } from '../support/scope.ts';

// Linux's device that is always full.
describe.skipIf(!existsSync('/dev/full'))('output that nobody can take', () => {
  const scope = suiteScope();

  it('is no success of a command', async () => {
    const full = openSync('/dev/full', 'w');
    const child = spawn(process.execPath, [ENTRY, 'completion', 'bash'], {
      stdio: ['ignore', full, 'pipe'],
    });
    closeSync(full);
    expect(await once(child, 'exit')).toEqual([3, null]);
  });

  it('ends no service, which stops when it is asked to', async () => {
    const site = createSite(join(scope.folder(), 'site'));
    await site.key('bot');
    site.policy(`version: 1
authorities: [{ name: bot, keys: [keys/bot.pub] }]
policies:
  - { name: all, images: ["\${registry}/**"], mode: enforce, tags: registry, require: [{ signatures: { by: [bot] } }] }
`);
    const host = `127.0.0.1:${await freePort()}`;
    const full = openSync('/dev/full', 'w');
    const child = spawn(
      process.execPath,
      [ENTRY, 'serve', '--listen', host, '--http', '--policies', site.policies],
      { cwd: site.folder, env: { ...process.env, ...site.env }, stdio: ['ignore', full, full] },
    );
    closeSync(full);
    const end = performance.now() + 20_000;
    while (child.exitCode === null && performance.now() < end) {
      if (await answers(`http://${host}/readyz`)) break;
      await sleep(100);
    }
    // Long enough for the log to have been written, and refused.
    await sleep(2500);
    expect(await answers(`http://${host}/readyz`)).toBe(true);
    const exit = once(child, 'exit');
    child.kill('SIGTERM');
    expect(await exit).toEqual([3, null]);
  });
});
