import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { LIMITS } from '../../src/lib/limits.ts';
import { answered, ask, podOf, review } from '../support/admission.ts';
import type { Attacked, AttackedOptions, Fault } from '../support/attacked.ts';
import { attackedGates } from '../support/attacked.ts';
import { contentImage, pushImage } from '../support/image.ts';

const SIGNED = contentImage('signed\n');
const UNSIGNED = contentImage('unsigned\n');
const JSON_TYPE = { 'content-type': 'application/json' };
const answerWith =
  (status: number): Fault =>
  (_request, response) => {
    response.writeHead(status).end();
    return true;
  };
const WARN = `
  - name: trial
    images: ["\${registry}/trial/**"]
    mode: warn
    tags: registry
    require: [{ signatures: { by: [bot], formats: [cosign] } }]
`;

describe('admission in trouble', () => {
  const attacked = attackedGates();
  const stage = async (options: AttackedOptions = {}): Promise<Attacked> => {
    const gate = await attacked(options);
    await pushImage(gate.registry, 'team/app', SIGNED, '1');
    await pushImage(gate.registry, 'team/app', UNSIGNED, '2');
    await gate.signBehind('team/app', SIGNED.digest);
    return gate;
  };
  const byTag = (gate: Attacked) => ({ object: podOf(`${gate.host}/team/app:1`) });
  const byDigest = (gate: Attacked) => ({
    object: podOf(`${gate.host}/team/app@${SIGNED.digest}`),
  });

  it.each<[string, Fault]>([
    ['answers 500', answerWith(500)],
    ['answers 429', answerWith(429)],
    ['hangs up', (request) => Boolean(request.socket.destroy())],
  ])(
    'T-13, T-39, T-57: a registry that %s makes "could not find out", and nothing stays of it',
    async (_, fault) => {
      const gate = await stage();
      gate.fault(fault);
      for (const [webhook, parts] of [
        ['validate', byDigest(gate)],
        ['mutate', byTag(gate)],
      ] as const) {
        const answer = await ask(gate, webhook, parts);
        expect(answer).toMatchObject({
          allowed: false,
          status: { code: 503, reason: 'ServiceUnavailable' },
        });
        expect(answer.patch).toBeUndefined();
      }
      gate.fault(null);
      expect((await ask(gate, 'mutate', byTag(gate))).patch).toHaveLength(1);
      expect((await ask(gate, 'validate', byDigest(gate))).allowed).toBe(true);
    },
  );

  it('T-52: denies where there is no answer before the API server stops waiting', async () => {
    const gate = await stage({ more: WARN });
    const waiting: (() => void)[] = [];
    gate.fault((_request, response) => {
      waiting.push(() => response.destroy());
      return true;
    });
    for (const [webhook, parts] of [
      ['validate', byDigest(gate)],
      ['mutate', byTag(gate)],
      ['validate', { object: podOf(`${gate.host}/trial/app:1`) }],
    ] as const) {
      const answer = await ask(gate, webhook, parts, '1s');
      expect(answer).toMatchObject({ allowed: false, status: { code: 503 } });
      expect(answer.status?.message).toMatch(
        /^container app: .* cannot be verified: no answer in time/,
      );
    }
    gate.fault(null);
    for (const end of waiting) end();
    // What had been under way must not be remembered as a verdict.
    await sleep(100);
    expect((await ask(gate, 'validate', byDigest(gate))).allowed).toBe(true);
  });

  it.each([401, 403])(
    'says so where upstream answers %i to those who bring no login',
    async (status) => {
      const gate = await stage({ more: WARN });
      gate.fault(answerWith(status));
      for (const [webhook, parts] of [
        ['validate', byDigest(gate)],
        ['mutate', byTag(gate)],
      ] as const) {
        const answer = await ask(gate, webhook, parts);
        expect(answer).toMatchObject({ allowed: false, status: { code: 503 } });
        expect(answer.status?.message).toContain(
          `admission has no credentials for it (upstream answered ${status})`,
        );
      }
      const warned = { object: podOf(`${gate.host}/trial/app@${SIGNED.digest}`) };
      expect(await ask(gate, 'validate', warned)).toMatchObject({
        allowed: true,
        warnings: [expect.stringMatching(/cannot be verified/)],
      });
    },
  );

  it('reads with its own rights where the service has identities, whatever access says', async () => {
    const gate = await stage({
      access: `  - { repositories: ["\${registry}/**"], pull: [ci], push: [ci], admin: [boss] }\n`,
    });
    expect(await gate.call('GET', '/v2/team/app/manifests/1')).toMatchObject({ status: 401 });
    const pinned = await ask(gate, 'mutate', byTag(gate));
    expect(pinned.patch).toMatchObject([
      { value: expect.stringContaining(SIGNED.digest) as string },
    ]);
    expect((await ask(gate, 'validate', byDigest(gate))).allowed).toBe(true);
    const evil = { object: podOf(`${gate.host}/team/app@${UNSIGNED.digest}`) };
    expect((await ask(gate, 'validate', evil)).allowed).toBe(false);
  });

  it('takes no credentials, header or query for a reason to decide otherwise', async () => {
    const gate = await stage();
    const body = JSON.stringify(
      review({ object: podOf(`${gate.host}/team/app@${UNSIGNED.digest}`) }),
    );
    for (const [query, headers] of [
      ['?timeout=10s&allow=true', {}],
      ['?dryRun=true', { 'user-agent': 'kube-apiserver/v1.35' }],
      ['', { authorization: `Basic ${Buffer.from('boss:geheim').toString('base64')}` }],
      ['', { 'x-forwarded-for': '127.0.0.1', 'x-remote-user': 'system:admin' }],
      ['?timeout=99999999s', { 'content-type': 'application/json; charset=utf-8' }],
    ] as const) {
      const answer = answered(
        await gate.call('POST', `/admission/validate${query}`, {
          headers: { ...JSON_TYPE, ...headers },
          body,
        }),
      );
      expect(answer).toMatchObject({ allowed: false, status: { code: 403 } });
    }
    expect(gate.asked().join()).not.toContain('geheim');
  });

  it('answers what is no review with an error, never with a review', async () => {
    const gate = await stage();
    const whole = JSON.stringify(review(byDigest(gate)));
    const post = (body: string, headers: Record<string, string> = JSON_TYPE, url = 'validate') =>
      gate.call('POST', `/admission/${url}`, { headers, body });
    for (const url of ['validate', 'mutate']) {
      expect(await post('', JSON_TYPE, url)).toMatchObject({ status: 400 });
      expect(await post(whole.slice(0, -1), JSON_TYPE, url)).toMatchObject({ status: 400 });
      expect(await post(whole.replace('/v1"', '/v1beta1"'), JSON_TYPE, url)).toMatchObject({
        status: 400,
      });
      expect(await post(whole, { 'content-type': 'text/plain' }, url)).toMatchObject({
        status: 400,
      });
      expect(await post(whole, {}, url)).toMatchObject({ status: 400 });
      const over = await post('x'.repeat(LIMITS.admissionBodyBytes + 1), JSON_TYPE, url);
      expect(over).toMatchObject({ status: 413 });
      for (const method of ['GET', 'PUT', 'DELETE', 'HEAD'])
        expect(await gate.call(method, `/admission/${url}`)).toMatchObject({ status: 405 });
    }
    for (const path of ['/admission', '/admission/', '/admission/validate/', '/Admission/validate'])
      expect(await gate.call('POST', path, { headers: JSON_TYPE, body: whole })).toMatchObject({
        status: 404,
      });
    const { text } = await gate.call('GET', '/metrics');
    expect(text).toMatch(
      /^countersign_admission_reviews_total\{webhook="validate",outcome="error"\} 10$/m,
    );
    expect(text).not.toMatch(/countersign_admission_reviews_total\{.*outcome="allow"/);
  });

  it('T-70: a review that trickles in has as long as its answer would have', async () => {
    const gate = await stage();
    async function* trickle() {
      yield Buffer.from('{');
      await sleep(20_000, undefined, { ref: false });
      yield Buffer.from('}');
    }
    await expect(
      gate.call('POST', '/admission/validate?timeout=1s', { headers: JSON_TYPE, body: trickle() }),
    ).rejects.toThrow(/socket hang up|ECONNRESET/);
  });

  it('T-59: takes 256 images, and refuses to look at more', async () => {
    const gate = await stage();
    const containers = (count: number) =>
      Array.from({ length: count }, (_, n) => ({
        name: `c${n}`,
        image: `${gate.host}/team/app@${SIGNED.digest}`,
      }));
    const about = (count: number) => ({
      object: { kind: 'Pod', spec: { containers: containers(count) } },
    });
    gate.asked();
    expect((await ask(gate, 'validate', about(LIMITS.admissionImages))).allowed).toBe(true);
    // The same image in every container is asked about once.
    expect(gate.asked().length).toBeLessThan(10);
    const over = await ask(gate, 'validate', about(LIMITS.admissionImages + 1));
    expect(over.status?.message).toMatch(/at most 256 images, found 257/);
  });

  it('T-67: counts by fixed labels, and logs who asked and why not', async () => {
    const gate = await stage();
    const username = 'canary-user';
    const evil = podOf(`${gate.host}/team/app@${UNSIGNED.digest}`);
    await ask(gate, 'validate', { object: evil, username });
    await ask(gate, 'mutate', { object: podOf('canary-image'), kind: 'CanaryKind', username });
    const { text } = await gate.call('GET', '/metrics');
    expect(text).not.toMatch(/canary/i);
    expect(text).toMatch(
      /^countersign_admission_reviews_total\{webhook="validate",outcome="deny"\} 1$/m,
    );
    expect(text).toMatch(/^countersign_refusals_total\{code="NOT_TRUSTED"\} 1$/m);
    const line = gate
      .logs()
      .split('\n')
      .find((one) => one.includes('/admission/validate'));
    expect(JSON.parse(line ?? '{}')).toMatchObject({
      route: 'admission',
      status: 200,
      identity: `kubernetes:${username}`,
      code: 'NOT_TRUSTED',
      message: expect.stringMatching(/^container app: .* not signed/) as string,
    });
  });
});
