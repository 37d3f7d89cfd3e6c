import { describe, expect, it } from 'vitest';
import { attackedGates } from '../../support/attacked.ts';
import { buildImage, pushBlob, pushImage } from '../../support/image.ts';
import { tarLayer } from '../../support/tar.ts';

const RULE = 'require: [{ signatures: { by: [bot], formats: [cosign] } }]';

describe('blobs', () => {
  const attacked = attackedGates();

  it('are linked where a floor says so, whatever a narrower policy says', async () => {
    const gate = await attacked({
      policy: 'blobs: open',
      more: `  - { name: baseline, images: ["\${registry}/**"], mode: enforce, tags: registry, blobs: linked, floor: true, ${RULE} }\n`,
    });
    const made = buildImage({ layers: [tarLayer({ a: 'evil\n' })] });
    await pushImage(gate.url, 'team/app', made);
    for (const digest of made.blobs.keys()) {
      expect((await gate.call('GET', `/v2/team/app/blobs/${digest}`)).status).toBe(403);
    }
    expect((await gate.sign('team/app', made.digest)).status).toBe(201);
    for (const digest of made.blobs.keys()) {
      expect((await gate.call('GET', `/v2/team/app/blobs/${digest}`)).status).toBe(200);
    }
  });

  it('are not served from a repository that no policy governs', async () => {
    const gate = await attacked();
    const digest = await pushBlob(gate.url, 'elsewhere/app', Buffer.from('evil'));
    expect((await gate.call('GET', `/v2/elsewhere/app/blobs/${digest}`)).status).toBe(403);
    expect((await gate.call('HEAD', `/v2/elsewhere/app/blobs/${digest}`)).status).toBe(200);
  });
});
