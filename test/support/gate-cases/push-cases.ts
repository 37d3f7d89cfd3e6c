import { expect, it } from 'vitest';
import { shownAs } from '../client-matrix.ts';
import { copyByDigest } from '../copy-by-digest.ts';
import type { GateStage } from '../gate-stage.ts';
import { digestIn, ABSENT, HELD_BACK, notSigned } from '../gate-stage.ts';

/** What a client may push, and what becomes of it. */
export function pushCases(stage: GateStage): void {
  const { pull, push, pushAgain } = stage;
  const sign = (name: string): Promise<void> => stage.guarded().sign(name);

  it('is refused an unsigned push where policy rejects it, and says why', async () => {
    const refused = await push('reject/app:1', 'rejected\n');
    expect(refused).toMatch(notSigned('reject'));
    expect(await pull('reject/app:1')).toMatch(ABSENT);
    stage.proves('push unsigned', `refused: ${shownAs(refused) ?? 'no reason'}`);
  });

  it('pushes where policy allows it, and pulls once it is signed', async () => {
    const pushed = await push('allow/app:1', 'allowed\n');
    expect(pushed).toMatch(/^done sha256:/);
    expect(await pull('allow/app:1')).toMatch(notSigned('allow'));
    await sign('allow/app:1');
    expect(await pull('allow/app:1')).toBe(pushed);
  });

  it('pushes what was signed before, where policy rejects the unsigned', async () => {
    const pushed = await push('allow/early:1', 'signed before\n');
    // Where it is to go, its digest is signed before a tag is given, as a pipeline does it.
    await sign('allow/early:1');
    await copyByDigest(stage.guarded(), 'allow/early', 'reject/early', digestIn(pushed));
    await sign(`reject/early@${digestIn(pushed)}`);
    expect(await pushAgain('allow/early:1', 'reject/early:1')).toBe(pushed);
    expect(await pull('reject/early:1')).toBe(pushed);
    stage.proves('push signed');
  });

  it('pushes over a tag that names something unsigned', async () => {
    const first = await push('allow/over:1', 'unsigned\n');
    expect(first).toMatch(/^done sha256:/);
    const second = await push('allow/over:1', 'unsigned too\n');
    expect(second).toMatch(/^done sha256:/);
    expect(second).not.toBe(first);
    await sign('allow/over:1');
    expect(await pull('allow/over:1')).toBe(second);
  });

  it('pushes where policy holds; nobody can pull it until it is signed', async () => {
    const pushed = await push('hold/app:1', 'held\n');
    expect(pushed).toMatch(/^done sha256:/);
    const byDigest = `hold/app@${digestIn(pushed)}`;
    expect(await pull('hold/app:1')).toMatch(HELD_BACK);
    expect(await pull(byDigest)).toMatch(notSigned('hold'));
    await sign(byDigest);
    expect(await pull('hold/app:1')).toBe(pushed);
    expect(await pull(byDigest)).toBe(pushed);
  });

  it('pushes twice what is held, and pulls it once it is signed', async () => {
    const pushed = await push('hold/twice:1', 'held twice\n');
    expect(pushed).toMatch(/^done sha256:/);
    expect(await pushAgain('hold/twice:1', 'hold/twice:1')).toBe(pushed);
    await sign(`hold/twice@${digestIn(pushed)}`);
    // What is signed is held no more: another tag of it is given at once.
    expect(await pushAgain('hold/twice:1', 'hold/twice:2')).toBe(pushed);
    expect(await pull('hold/twice:1')).toBe(pushed);
    expect(await pull('hold/twice:2')).toBe(pushed);
    stage.proves('hold');
  });

  it('still gets the signed image after an unsigned one was pushed over its tag', async () => {
    const first = await push('hold/over:1', 'first\n');
    await sign(`hold/over@${digestIn(first)}`);
    const second = await push('hold/over:1', 'second\n');
    expect(second).not.toBe(first);
    expect(await pull('hold/over:1')).toBe(first);
    await sign(`hold/over@${digestIn(second)}`);
    expect(await pull('hold/over:1')).toBe(second);
  });
}
