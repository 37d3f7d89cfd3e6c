import { gzipSync } from 'node:zlib';
import { expect, it } from 'vitest';
import { withAttestations } from '../attested.ts';
import type { GateStage } from '../gate-stage.ts';
import { digestIn, ABSENT, HELD_BACK, image, notSigned, said } from '../gate-stage.ts';
import type { TestImage } from '../image.ts';
import { buildImage, buildIndex } from '../image.ts';
import { tarLayer } from '../tar.ts';

// Compressed: containers/image would compress the layers of a list that it pushes, and so change its children.
const child = (content: string): TestImage =>
  buildImage({ layers: [gzipSync(tarLayer({ content }))] });

/** Indexes, their children, and indexes in indexes. */
export function indexCases(stage: GateStage): void {
  const { pull, upload } = stage;
  let held = false;

  it('pulls a signed index by tag, and its child by digest', async () => {
    const one = image('child\n');
    const index = buildIndex([one, image('other child\n')]);
    const digest = await stage.guarded().pushSigned('reject/multi:1', index);
    expect(await pull('reject/multi:1')).toMatch(/^done/);
    expect(await pull(`reject/multi@${digest}`)).toMatch(/^done/);
    expect(await pull(`reject/multi@${one.digest}`)).toBe(`done ${one.digest}`);
    if (stage.session().pushIndex === undefined) stage.proves('multi-arch', 'pull');
  });

  it('is refused an unsigned index and its child, and says why', async () => {
    const one = image('unsigned child\n');
    await upload('allow/multi', buildIndex([one]));
    expect(await pull('allow/multi:1')).toMatch(notSigned('allow'));
    expect(await pull(`allow/multi@${one.digest}`)).toMatch(notSigned('allow'));
  });

  it('pulls a signed index with the attestations of buildx', async () => {
    const one = image('attested\n');
    const index = withAttestations([one, image('attested too\n')]);
    await stage.guarded().pushSigned('reject/attested:1', index);
    expect(await pull('reject/attested:1')).toMatch(/^done/);
    expect(await pull(`reject/attested@${one.digest}`)).toBe(`done ${one.digest}`);
  });

  it('pulls a signed index in an index as it does without a gate', async () => {
    const inner = image('nested\n');
    const index = buildIndex([buildIndex([inner])]);
    await stage.guarded().pushSigned('reject/nested:1', index);
    // Not every client reads them; the gate must not be what keeps one from it.
    const { upstream } = stage.guarded();
    const direct = upstream === null ? null : `${upstream.host}/reject/nested:1`;
    const alone = direct === null ? null : said(await stage.session().pull(direct));
    const through = await pull('reject/nested:1');
    expect(through).not.toMatch(/not signed|denied/i);
    if (alone !== null) expect(through.slice(0, 4)).toBe(alone.slice(0, 4));
    expect(await pull(`reject/nested@${inner.digest}`)).toBe(`done ${inner.digest}`);
  });

  it('pushes an index with all its children, which is held whole until it is signed', async (test) => {
    test.skip(stage.session().pushIndex === undefined, `${stage.client.name} pushes no indexes`);
    const one = child('held amd64\n');
    const index = buildIndex([one, child('held arm64\n')]);
    const pushed = await stage.pushIndex('hold/multi:1', index);
    expect(pushed).toMatch(/^done sha256:/);
    expect(await pull('hold/multi:1')).toMatch(HELD_BACK);
    expect(await pull(`hold/multi@${one.digest}`)).toMatch(notSigned('hold'));
    await stage.guarded().sign(`hold/multi@${digestIn(pushed)}`);
    expect(await pull('hold/multi:1')).toMatch(/^done/);
    expect(await pull(`hold/multi@${one.digest}`)).toBe(`done ${one.digest}`);
    held = true;
  });

  it('is refused an unsigned index where policy rejects it, and says why', async (test) => {
    test.skip(stage.session().pushIndex === undefined, `${stage.client.name} pushes no indexes`);
    const index = buildIndex([child('rejected amd64\n'), child('rejected arm64\n')]);
    const refused = await stage.pushIndex('reject/refused:1', index);
    // buildah exits with 0 and says nothing when the last request of `manifest push` is refused.
    const silent = stage.client.name === 'buildah';
    expect(refused).toMatch(silent ? /^done $/ : notSigned('reject'));
    expect(await pull('reject/refused:1')).toMatch(ABSENT);
    if (held) stage.proves('multi-arch', silent ? 'pull, push (refused in silence)' : 'pull, push');
  });
}
