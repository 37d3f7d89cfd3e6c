import { chmodSync, copyFileSync, mkdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createSite } from '../../support/countersign.ts';
import { suiteScope } from '../../support/scope.ts';

const DOCKER_KEY = join(import.meta.dirname, '..', '..', 'vectors', 'keys', 'docker-28-p256.key');

describe('countersign root backup', () => {
  const scope = suiteScope();

  it('copies a store of hundreds of keys into one file', async () => {
    const site = createSite(join(scope.folder(), 'site'));
    const store = join(site.folder, 'docker-config', 'trust', 'private');
    mkdirSync(store, { recursive: true, mode: 0o700 });
    for (let n = 1; n <= 300; n += 1) {
      const key = join(store, `${n.toString(16).padStart(64, '0')}.key`);
      copyFileSync(DOCKER_KEY, key);
      chmodSync(key, 0o600);
    }
    const file = join(site.folder, 'all.pem');
    expect(await site.cli(['root', 'backup', file, '--all'])).toMatchObject({ code: 0 });
    expect(readFileSync(file, 'utf8').match(/BEGIN ENCRYPTED PRIVATE KEY/g)).toHaveLength(300);
    expect(statSync(file).mode & 0o777).toBe(0o600);
  });
});
