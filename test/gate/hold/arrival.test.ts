import { describe, expect, it } from 'vitest';
import { attackedGates } from '../../support/attacked.ts';
import { contentImage, pushImage } from '../../support/image.ts';
import { mapAt } from '../../support/map-at.ts';

const POLICY = `
  - name: owners
    images: ["\${registry}/owners/**"]
    tags: signed
    push: hold
    require: [{ signatures: { by: ["@repository"], formats: [dct] } }]
`;

describe('a publish of trust data while something waits', () => {
  const open = attackedGates();

  it('T-60: promotes what waits and judges nothing else, however many tags it signs', async () => {
    const gate = await open({ more: POLICY });
    const [held, other] = [contentImage('held\n'), contentImage('other\n')];
    const map = await mapAt(gate, 'owners/app');
    await pushImage(gate.url, 'owners/app', held, '1');
    await pushImage(gate.url, 'owners/app', other, '2');
    const strangers = Array.from({ length: 50 }, (_, n) => contentImage(`${n}\n`).digest);
    gate.asked();
    const tags = Object.fromEntries(strangers.map((digest, n) => [`t${n}`, digest]));
    const said = { targets: { ...tags, 1: held.digest } };
    expect((await map.publish(said)).status).toBe(200);
    const asked = gate.asked();
    expect(asked.filter((line) => strangers.some((digest) => line.includes(digest)))).toEqual([]);
    expect(asked).toContain('PUT /v2/owners/app/manifests/1');
    expect(asked).not.toContain('PUT /v2/owners/app/manifests/2');
  });
});
