import { describe, expect, it } from 'vitest';
import { digestOf } from '../../../src/oci/digest.ts';
import { MEDIA } from '../../../src/oci/media-types.ts';
import { attackedGates } from '../../support/attacked.ts';
import { buildImage, pushImage } from '../../support/image.ts';
import { tarLayer } from '../../support/tar.ts';

describe('signature tags', () => {
  const attacked = attackedGates();

  it('carry no image in members that only a reader without regard to case sees (T-37)', async () => {
    const gate = await attacked();
    const evil = buildImage({ layers: [tarLayer({ evil: 'evil\n' })] });
    await pushImage(gate.url, 'team/app', evil);
    const signed = await gate.sign('team/app', evil.digest);
    expect(signed.status).toBe(201);
    const subject = digestOf(Buffer.from('a subject that is nowhere'));
    const tag = `${subject.replace(':', '-')}.sig`;
    expect((await gate.sign('team/app', subject)).status).toBe(201);
    const target = `/v2/team/app/manifests/${tag}`;
    const stored = JSON.parse((await gate.call('GET', target)).text) as Record<string, unknown>;
    const inside = JSON.parse(evil.manifest.toString()) as Record<string, unknown>;
    for (const [layers, config] of [
      ['Layers', 'Config'],
      ['LAYERS', 'config'],
      ['layer\u017f', 'config'],
    ] as const) {
      const body = JSON.stringify({
        ...stored,
        [layers]: inside['layers'],
        [config]: stored['config'],
      });
      const answer = await gate.call('PUT', target, {
        headers: { 'content-type': MEDIA.ociManifest },
        body,
      });
      expect([layers, answer.status, answer.code]).toEqual([layers, 400, 'MANIFEST_INVALID']);
    }
  });
});
