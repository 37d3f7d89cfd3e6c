import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Digest } from '../../src/oci/digest.ts';
import type { Attacked } from '../support/attacked.ts';
import { attackedGates } from '../support/attacked.ts';
import { contentImage, pushImage } from '../support/image.ts';
import { manifestAt } from '../support/team-app.ts';

/** Pulls, and returns the status with what the gate asked of the registry for it. */
async function pulled(
  gate: Attacked,
  reference: string,
): Promise<readonly [number, readonly string[]]> {
  gate.asked();
  const { status } = await gate.call('GET', manifestAt(reference));
  return [status, gate.asked()];
}

async function revoke(gate: Attacked, digest: Digest, undo = false): Promise<void> {
  const answer = await gate.call('POST', '/api/v1/revocations', {
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ image: `${gate.host}/team/app@${digest}`, ...(undo ? { undo } : {}) }),
  });
  expect(answer.status).toBeLessThan(300);
}

describe('the first pull', () => {
  const attacked = attackedGates();

  it('after a trusted push asks the registry only what the tag is', async () => {
    const gate = await attacked();
    const made = contentImage('signed first\n');
    await gate.sign('team/app', made.digest);
    await pushImage(gate.url, 'team/app', made, '1');
    expect(await pulled(gate, '1')).toEqual([200, [`HEAD ${manifestAt('1')}`]]);
    expect(await pulled(gate, made.digest)).toEqual([200, []]);
  });

  it('by digest asks only whether the registry lets the caller in', async () => {
    const gate = await attacked();
    const made = contentImage('signed first\n');
    await gate.sign('team/app', made.digest);
    await pushImage(gate.url, 'team/app', made, '1');
    expect(await pulled(gate, made.digest)).toEqual([200, [`HEAD ${manifestAt(made.digest)}`]]);
  });

  it('after a signature that a held push waited for asks no more either', async () => {
    const gate = await attacked({ policy: 'push: hold' });
    const made = contentImage('held\n');
    await pushImage(gate.url, 'team/app', made, '1');
    expect((await gate.sign('team/app', made.digest)).status).toBe(201);
    expect(await pulled(gate, '1')).toEqual([200, [`HEAD ${manifestAt('1')}`]]);
    expect(await pulled(gate, made.digest)).toEqual([200, []]);
  });

  it('after a signature for what was there long ago asks no more either', async () => {
    const gate = await attacked({ policy: 'push: allow' });
    const made = contentImage('old\n');
    await pushImage(gate.url, 'team/app', made, '1');
    gate.later(600_000);
    await gate.sign('team/app', made.digest);
    expect(await pulled(gate, '1')).toEqual([200, [`HEAD ${manifestAt('1')}`]]);
  });
});

describe('what is remembered', () => {
  const attacked = attackedGates();

  it('changes with the next request when a signature, revocation or policy does, and stays for all else', async () => {
    const gate = await attacked({ policy: 'push: allow\n    delete: allow' });
    const [made, other] = [contentImage('one\n'), contentImage('another\n')];
    for (const one of [made, other]) await pushImage(gate.url, 'team/app', one);
    await gate.sign('team/app', other.digest);
    const untouched = async (): Promise<void> =>
      expect(await pulled(gate, other.digest)).toEqual([200, []]);
    const status = async (): Promise<number> => (await pulled(gate, made.digest))[0];

    expect(await status()).toBe(403);
    const signature = await gate.sign('team/app', made.digest);
    expect(await status()).toBe(200);
    await untouched();

    await gate.call('DELETE', manifestAt(String(signature.headers['docker-content-digest'])));
    expect(await status()).toBe(403);
    await untouched();
    await gate.sign('team/app', made.digest);
    expect(await status()).toBe(200);

    await revoke(gate, made.digest);
    expect(await status()).toBe(403);
    await untouched();
    await revoke(gate, made.digest, true);
    expect(await status()).toBe(200);
    await untouched();
  });

  it('changes with an exception that a policy file gets, or loses', async () => {
    const gate = await attacked({ policy: 'push: allow' });
    const [made, other] = [contentImage('excepted\n'), contentImage('not\n')];
    for (const one of [made, other]) await pushImage(gate.url, 'team/app', one);
    const status = async (one: Digest): Promise<number> => (await pulled(gate, one))[0];
    expect(await status(made.digest)).toBe(403);
    const file = join(gate.policies, 'policy.yaml');
    const before = readFileSync(file, 'utf8');
    const exception = `{ digest: "${made.digest}", reason: r, approvedBy: boss, expires: 2099-01-01 }`;
    writeFileSync(
      file,
      before.replace('push: allow', `push: allow\n    exceptions: [${exception}]`),
    );
    await expect.poll(() => status(made.digest), { timeout: 10_000 }).toBe(200);
    expect(await status(other.digest)).toBe(403);
    writeFileSync(file, before);
    await expect.poll(() => status(made.digest), { timeout: 10_000 }).toBe(403);
  });
});
