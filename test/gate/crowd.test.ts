import { describe, expect, it } from 'vitest';
import type { Attacked, AttackedOptions } from '../support/attacked.ts';
import { as, attackedGates, pass } from '../support/attacked.ts';
import type { TestImage } from '../support/image.ts';
import { contentImage, pushImage } from '../support/image.ts';
import { answerError } from '../support/wire-server.ts';

const HUNDRED = Array.from({ length: 100 }, (_, n) => n);

describe('a hundred clients at once', () => {
  const attacked = attackedGates();

  /** A gate over a registry with a signed and an unsigned image; nothing is warm. */
  async function stocked(
    options: AttackedOptions = {},
  ): Promise<{ gate: Attacked; signed: TestImage; unsigned: TestImage }> {
    const gate = await attacked({ policy: 'push: allow', ...options });
    const [signed, unsigned] = [contentImage('signed\n'), contentImage('unsigned\n')];
    await pushImage(gate.registry, 'team/app', signed, '1');
    await pushImage(gate.registry, 'team/app', unsigned, '2');
    await gate.signBehind('team/app', signed.digest);
    gate.asked();
    return { gate, signed, unsigned };
  }

  /** Asks a hundred times at once; the statuses, and what the registry was asked how often. */
  async function crowd(
    gate: Attacked,
    reference: string,
    headers: (n: number) => Readonly<Record<string, string>> = () => ({}),
  ): Promise<{ readonly statuses: Set<number>; readonly asked: ReadonlyMap<string, number> }> {
    const answers = await Promise.all(
      HUNDRED.map((n) =>
        gate.call('GET', `/v2/team/app/manifests/${reference}`, { headers: headers(n) }),
      ),
    );
    const asked = new Map<string, number>();
    for (const line of gate.asked()) asked.set(line, (asked.get(line) ?? 0) + 1);
    return { statuses: new Set(answers.map((one) => one.status)), asked };
  }

  it('for one new digest cause one verification and one fetch', async () => {
    const { gate, signed } = await stocked();
    const { statuses, asked } = await crowd(gate, signed.digest);
    expect(statuses).toEqual(new Set([200]));
    expect([...asked].filter(([, times]) => times > 1)).toEqual([]);
    expect(asked.get(`GET /v2/team/app/manifests/${signed.digest}`)).toBe(1);
    // Warm: nothing at all.
    expect([...(await crowd(gate, signed.digest)).asked]).toEqual([]);
  });

  it('for one tag cause one HEAD, and for a refused one no more', async () => {
    const { gate, signed } = await stocked();
    for (const [tag, status] of [
      ['3', 404],
      ['1', 200],
      ['2', 403],
    ] as const) {
      const { statuses, asked } = await crowd(gate, tag);
      expect(statuses).toEqual(new Set([status]));
      expect([...asked].filter(([, times]) => times > 1)).toEqual([]);
      expect(asked.get(`HEAD /v2/team/app/manifests/${tag}`)).toBe(1);
    }
    expect((await crowd(gate, signed.digest)).asked.size).toBe(0);
  });

  it('for one unsigned digest cause one look, one search and one question whether it is there', async () => {
    const { gate, unsigned } = await stocked();
    const { statuses, asked } = await crowd(gate, unsigned.digest);
    expect(statuses).toEqual(new Set([403]));
    expect([...asked].filter(([, times]) => times > 1)).toEqual([]);
  });

  it('with a hundred headers that the registry never sees are one', async () => {
    const { gate, signed } = await stocked({
      access: `  - { repositories: ["**"], pull: ["*", anonymous], push: [ci] }`,
    });
    const who = ['ci', 'dev', 'boss'];
    const { statuses, asked } = await crowd(gate, '1', (n) => {
      const name = who[n % 4];
      return name === undefined ? {} : as(name);
    });
    expect(statuses).toEqual(new Set([200]));
    expect([...asked].filter(([, times]) => times > 1)).toEqual([]);
    expect(asked.get(`GET /v2/team/app/manifests/${signed.digest}`)).toBe(1);
  });

  it('whose own credentials the registry judges are authorised one by one, and share what was found', async () => {
    const { gate, signed } = await stocked();
    const bearer = (n: number) => ({ authorization: `Bearer token-${n}` });
    const { statuses, asked } = await crowd(gate, signed.digest, bearer);
    expect(statuses).toEqual(new Set([200]));
    const head = `HEAD /v2/team/app/manifests/${signed.digest}`;
    expect(asked.get(head)).toBe(100);
    expect([...asked].filter(([line, times]) => line !== head && times > 1)).toEqual([]);
  });

  it('are not harmed by one of them to whom the registry shows nothing', async () => {
    const { gate, signed } = await stocked();
    const blind = { authorization: 'Bearer blind' };
    const pull = (headers: Readonly<Record<string, string>>) =>
      gate.call('GET', `/v2/team/app/manifests/${signed.digest}`, { headers });
    // The registry has said yes to it a moment ago, and hides the signatures from it since.
    gate.fault((request, response) => {
      const hides =
        request.headers.authorization === blind.authorization && request.method === 'GET';
      if (hides) answerError(response, 404, 'MANIFEST_UNKNOWN', 'hidden');
      return hides;
    });
    expect((await pull(blind)).status).toBe(403);
    expect((await pull({ authorization: 'Bearer sees' })).status).toBe(200);
    gate.later(61_000);
    // Also where the blind one comes first, and the others wait for what it finds.
    const all = await Promise.all(
      HUNDRED.map((n) => pull(n === 0 ? blind : { authorization: `Bearer sees-${n}` })),
    );
    expect(new Set(all.slice(1).map((one) => one.status))).toEqual(new Set([200]));
  });

  it('wait for three round trips before the manifest itself, since evidence is asked for at once', async () => {
    const { gate, signed } = await stocked();
    for (const reference of ['1', signed.digest]) {
      const rounds = inRounds(gate);
      const got = await gate.call('GET', `/v2/team/app/manifests/${reference}`);
      expect(got.status).toBe(200);
      const asked = rounds();
      expect(asked.at(-1)).toEqual([`GET /v2/team/app/manifests/${signed.digest}`]);
      expect(asked).toSatisfy((all: unknown[]) => all.length <= 4);
      gate.fault(null);
      await gate.restart();
    }
  });
});

/** Answers requests in rounds: all that wait, as soon as no more come. The returned function tells the rounds. */
function inRounds(gate: Attacked): () => readonly (readonly string[])[] {
  const rounds: string[][] = [];
  const waiting: { readonly line: string; readonly release: () => void }[] = [];
  let timer: NodeJS.Timeout | undefined;
  const answer = (): void => {
    rounds.push(waiting.map((one) => one.line));
    for (const one of waiting.splice(0)) one.release();
  };
  gate.fault((request, response) => {
    waiting.push({
      line: `${request.method} ${request.url}`,
      release: () => pass(gate.registry, request, response),
    });
    clearTimeout(timer);
    timer = setTimeout(answer, 300);
    return true;
  });
  return () => rounds;
}
