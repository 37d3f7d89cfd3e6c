import { randomBytes } from 'node:crypto';
import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { Digest } from '../../src/oci/digest.ts';
import type { Child } from '../support/child.ts';
import { startChild, waitFor } from '../support/child.ts';
import { damagedContent, filesBelow } from '../support/content-folder.ts';
import { call } from '../support/http-call.ts';
import type { TestImage } from '../support/image.ts';
import { buildImage, pushBlob, pushImage } from '../support/image.ts';
import { suiteScope } from '../support/scope.ts';

const SCRIPT = join(import.meta.dirname, '../support/registry-child.ts');

/** What was answered 2xx, and so must be there for ever. */
interface Promised {
  readonly images: { readonly repo: string; readonly image: TestImage; readonly tag: string }[];
  readonly blobs: { readonly repo: string; readonly digest: Digest; readonly bytes: Buffer }[];
  /** Every digest that was ever sent for the tag that all move. */
  readonly sent: Set<string | undefined>;
  /** How often moving it was confirmed. */
  confirmed: number;
  readonly uploads: { readonly location: string; readonly bytes: number }[];
}

async function start(root: string): Promise<{ child: Child; url: string }> {
  const child = startChild(process.execPath, [SCRIPT, root]);
  const port = await waitFor(child, 'the registry', () => /^([0-9]+)\n/.exec(child.stdout())?.[1]);
  return { child, url: `http://127.0.0.1:${port}` };
}

/** Pushes until the registry is gone: images of their own, blobs, one tag that everybody moves, chunks. */
async function pushUntilKilled(url: string, worker: number, promised: Promised): Promise<void> {
  const repo = `team/app${worker % 2}`;
  for (let n = 0; ; n++) {
    try {
      const layers = [randomBytes(40_000), Buffer.from('a layer that all share')];
      const image = buildImage({ layers, annotations: { worker: `${worker}.${n}` } });
      const tag = `t${worker}-${n}-${randomBytes(4).toString('hex')}`;
      await pushImage(url, repo, image, tag);
      promised.images.push({ repo, image, tag });
      const bytes = randomBytes(300_000);
      promised.blobs.push({ repo, digest: await pushBlob(url, repo, bytes), bytes });
      promised.sent.add(image.digest);
      await pushImage(url, 'team/app0', image, 'moving');
      promised.confirmed++;
      const opened = await call(url, 'POST', `/v2/${repo}/blobs/uploads/`);
      const location = opened.headers.location ?? '';
      const sent = await call(url, 'PATCH', location, { body: randomBytes(100_000) });
      if (sent.status === 202) promised.uploads.push({ location, bytes: 100_000 });
    } catch {
      // The connection broke: the process is dead, and nothing was promised.
      return;
    }
  }
}

async function expectKept(url: string, root: string, promised: Promised): Promise<void> {
  for (const { repo, image, tag } of promised.images) {
    for (const reference of [tag, image.digest]) {
      const got = await call(url, 'GET', `/v2/${repo}/manifests/${reference}`);
      expect([reference, got.status]).toEqual([reference, 200]);
      expect(got.body).toEqual(image.manifest);
    }
    for (const [digest, bytes] of image.blobs) {
      const got = await call(url, 'GET', `/v2/${repo}/blobs/${digest}`);
      expect(got.body.equals(bytes)).toBe(true);
    }
  }
  for (const { repo, digest, bytes } of promised.blobs) {
    const got = await call(url, 'GET', `/v2/${repo}/blobs/${digest}`);
    expect([got.status, got.body.equals(bytes)]).toEqual([200, true]);
  }
  const moving = await call(url, 'HEAD', '/v2/team/app0/manifests/moving');
  const named = moving.status === 404 ? undefined : moving.headers['docker-content-digest'];
  // Before the first confirmation the tag may be missing; after it, never.
  const allowed = promised.confirmed > 0 ? promised.sent : new Set([...promised.sent, undefined]);
  expect(allowed).toContain(named);
  for (const { location, bytes } of promised.uploads) {
    const status = await call(url, 'GET', location);
    expect([status.status, status.headers['range']]).toEqual([204, `0-${bytes - 1}`]);
  }
  expect(damagedContent(root)).toEqual([]);
  expect(filesBelow(join(root, 'tmp'))).toEqual([]);
}

describe('the embedded registry under kill -9', () => {
  const scope = suiteScope();

  it('keeps all that it answered 2xx, and nothing that is broken, again and again', async () => {
    const root = mkdtempSync(join(scope.folder(), 'root-'));
    const promised: Promised = {
      images: [],
      blobs: [],
      sent: new Set(),
      confirmed: 0,
      uploads: [],
    };
    for (const delay of [150, 400, 90, 700]) {
      const { child, url } = await start(root);
      const workers = [0, 1, 2, 3].map((n) => pushUntilKilled(url, n, promised));
      const before = promised.images.length;
      await waitFor(child, 'a push', () => promised.images.length > before || undefined);
      await sleep(delay);
      await child.kill();
      await Promise.all(workers);
      const restarted = await start(root);
      await expectKept(restarted.url, root, promised);
      expect(restarted.child.stderr()).toBe('');
      await restarted.child.kill();
    }
    expect(promised.images.length).toBeGreaterThan(4);
    expect(promised.uploads.length).toBeGreaterThan(0);
    expect(promised.confirmed).toBeGreaterThan(0);
  });
});
