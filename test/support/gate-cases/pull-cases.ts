import { expect, it } from 'vitest';
import type { Digest } from '../../../src/oci/digest.ts';
import { shownAs } from '../client-matrix.ts';
import type { GateStage } from '../gate-stage.ts';
import { failing, image, notSigned, said } from '../gate-stage.ts';

/** What a client may pull, and what it is told where it may not. */
export function pullCases(stage: GateStage): void {
  const { pull, upload } = stage;

  it('pulls a signed image by tag and by digest', async () => {
    const digest = await stage.guarded().pushSigned('reject/signed:1', image('signed\n'));
    expect(await pull('reject/signed:1')).toBe(`done ${digest}`);
    expect(await pull(`reject/signed@${digest}`)).toBe(`done ${digest}`);
    stage.proves('pull signed');
  });

  it('is refused an unsigned image by tag and by digest, and says why', async () => {
    const digest = await upload('allow/unsigned', image('unsigned\n'));
    const refused = await pull('allow/unsigned:1');
    expect(refused).toMatch(notSigned('allow'));
    expect(await pull(`allow/unsigned@${digest}`)).toMatch(notSigned('allow'));
    stage.proves('pull unsigned', `refused: ${shownAs(refused) ?? 'no reason'}`);
  });

  it('is refused an image that was signed only with a key that nobody asked for', async () => {
    await upload('allow/intern', image('by the intern\n'));
    await stage.guarded().sign('allow/intern:1', 'intern');
    expect(await pull('allow/intern:1')).toMatch(notSigned('allow'));
  });

  it('is refused a revoked image at the next pull, by tag and by digest', async () => {
    const { site, pushSigned } = stage.guarded();
    const revoke = async (digest: Digest): Promise<string> =>
      said(await site.cli(['revoke', stage.at(`reject/revoked@${digest}`)]));
    const seen = await pushSigned('reject/revoked:seen', image('seen\n'));
    expect(await pull('reject/revoked:seen')).toBe(`done ${seen}`);
    expect(await revoke(seen)).toMatch(/^done/);
    expect(await pull('reject/revoked:seen')).toMatch(failing('revoked'));
    // Another one by digest: dockerd keeps manifests that it has seen, and does not ask for them again.
    const unseen = await pushSigned('reject/revoked:unseen', image('unseen\n'));
    expect(await revoke(unseen)).toMatch(/^done/);
    expect(await pull(`reject/revoked@${unseen}`)).toMatch(failing('revoked'));
  });

  it('is refused a repository that no policy names', async () => {
    const digest = await upload('elsewhere/app', image('no policy\n'), null);
    expect(await pull(`elsewhere/app@${digest}`)).toMatch(failing('no policy'));
  });
}
