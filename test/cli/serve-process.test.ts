import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { freePort } from '../support/child.ts';
import { createSite } from '../support/countersign.ts';
import { suiteScope } from '../support/scope.ts';

const ENTRY = join(import.meta.dirname, '..', '..', 'bin', 'countersign.js');
const POLICY = 'version: 1\npolicies: [{ name: all, images: ["**"], mode: "off" }]\n';

describe.skipIf(!existsSync('/proc/self/cmdline'))('the process of a service', () => {
  const scope = suiteScope();

  it.each([
    ['is started with little room for garbage', {}, '--max-semi-space-size=4'],
    ['keeps what its operator chose', { NODE_OPTIONS: '--max-semi-space-size=8' }, undefined],
  ])('%s, and stays the one that was started', async (_, env, flag) => {
    const site = createSite(scope.folder());
    site.policy(POLICY);
    const listen = `127.0.0.1:${await freePort()}`;
    const data = join(scope.folder(), 'data');
    const args = ['serve', '--listen', listen, '--http', '--data', data];
    const child = spawn(process.execPath, [ENTRY, ...args, '--policies', site.policies], {
      cwd: site.folder,
      env: { ...process.env, ...site.env, ...env },
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    try {
      const [line] = (await once(child.stdout, 'data')) as [Buffer];
      expect(line.toString()).toContain('countersign ready on');
      const words = readFileSync(`/proc/${child.pid}/cmdline`, 'utf8').split('\0');
      expect(words.find((word) => word.includes('semi-space'))).toBe(flag);
      expect(words).toContain(listen);
    } finally {
      child.kill('SIGTERM');
      await once(child, 'exit');
    }
    expect(child.exitCode).toBe(0);
  });
});
