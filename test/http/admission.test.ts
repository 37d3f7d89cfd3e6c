import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ReviewParts } from '../support/admission.ts';
import { WORKLOADS, ask, container, patched, pod, podOf } from '../support/admission.ts';
import type { Answered } from '../support/admission.ts';
import type { Attacked } from '../support/attacked.ts';
import { attackedGates } from '../support/attacked.ts';
import { contentImage, pushImage } from '../support/image.ts';

const SIGNED = contentImage('signed\n');
const UNSIGNED = contentImage('unsigned\n');
const EVIL = UNSIGNED.digest;
const JSON_TYPE = { 'content-type': 'application/json' };

const validate = (gate: Attacked, parts: ReviewParts): Promise<Answered> =>
  ask(gate, 'validate', parts);
const mutate = (gate: Attacked, parts: ReviewParts): Promise<Answered> =>
  ask(gate, 'mutate', parts);

describe('admission of Kubernetes', () => {
  const attacked = attackedGates();
  /** A gate whose registry has a signed `team/app:1` and an unsigned `team/app:2`. */
  const stage = async (options: Parameters<typeof attacked>[0] = {}): Promise<Attacked> => {
    const gate = await attacked(options);
    await pushImage(gate.registry, 'team/app', SIGNED, '1');
    await pushImage(gate.registry, 'team/app', UNSIGNED, '2');
    await gate.signBehind('team/app', SIGNED.digest);
    return gate;
  };

  it('pins a trusted tag, and then lets the Pod through, whatever Host is asked', async () => {
    const gate = await stage();
    const object = podOf(`${gate.host}/team/app:1`);
    const pinned = await mutate(gate, { object });
    expect(pinned).toMatchObject({
      uid: '705ab4f5-6393-11e8-b7cc-42010a800002',
      allowed: true,
      patchType: 'JSONPatch',
      patch: [
        {
          op: 'replace',
          path: '/spec/containers/0/image',
          value: `${gate.host}/team/app:1@${SIGNED.digest}`,
        },
      ],
    });
    const after = patched(object, pinned.patch);
    expect((await mutate(gate, { object: after })).patch).toBeUndefined();
    expect(await validate(gate, { object: after })).toEqual({
      uid: '705ab4f5-6393-11e8-b7cc-42010a800002',
      allowed: true,
      auditAnnotations: {
        images: expect.stringMatching(
          new RegExp(
            `^container app: ${gate.host}/team/app@${SIGNED.digest} allow TRUSTED policy team [0-9a-f]{12} record \\d+$`,
          ),
        ) as string,
      },
    });
  });

  it('refuses what is not signed, by tag in mutate and by digest in validate, and records who asked', async () => {
    const gate = await stage();
    const byTag = await mutate(gate, { object: podOf(`${gate.host}/team/app:2`) });
    expect(byTag).toMatchObject({ allowed: false, status: { code: 403, reason: 'Forbidden' } });
    expect(byTag.status?.message).toMatch(
      /^container app: .*team\/app:2 \(sha256:[0-9a-f]{12}\) not signed: policy team needs bot; found none; record \d+$/,
    );
    const object = podOf(`${gate.host}/team/app:2@${UNSIGNED.digest}`);
    const username = 'system:serviceaccount:default:deployer';
    const byDigest = await validate(gate, { object, username });
    expect(byDigest).toMatchObject({ allowed: false, status: { code: 403 } });
    const history = await gate.call('GET', '/api/v1/history?log=dec');
    expect(history.text).toContain(`"actor":"kubernetes:${username}"`);
    expect(history.text).toContain('"actor":"kubernetes:alice"');
  });

  it('T-06: judges the digest where a tag stands beside it', async () => {
    const gate = await stage();
    const ask = async (reference: string): Promise<boolean> =>
      (await validate(gate, { object: podOf(`${gate.host}/team/app${reference}`) })).allowed;
    expect(await ask(`:2@${SIGNED.digest}`)).toBe(true);
    expect(await ask(`:1@${UNSIGNED.digest}`)).toBe(false);
    expect(await ask(`:not/a/tag@${SIGNED.digest}`)).toBe(false);
  });

  it('T-01: refuses a reference without a digest, even of an image that is trusted now', async () => {
    const gate = await stage();
    for (const reference of [':1', '']) {
      const answer = await validate(gate, { object: podOf(`${gate.host}/team/app${reference}`) });
      expect(answer).toMatchObject({ allowed: false, status: { code: 403 } });
      expect(answer.status?.message).toMatch(/names no digest.*\/admission\/mutate/);
    }
  });

  it('T-32: knows its registry by every spelling, and refuses every other one', async () => {
    const gate = await stage({ registry: 'aliases: ["Registry.Internal"]' });
    const at = `@${SIGNED.digest}`;
    const ask = async (name: string): Promise<Answered> =>
      validate(gate, { object: podOf(`${name}${at}`) });
    for (const name of [gate.host, 'registry.internal', 'REGISTRY.internal:443'])
      expect(await ask(`${name}/team/app`)).toMatchObject({ allowed: true });
    for (const name of ['nginx', 'docker.io/team/app', 'evil.example.com/team/app', 'team/app']) {
      const answer = await ask(name);
      expect(answer).toMatchObject({ allowed: false, status: { code: 403 } });
      expect(answer.status?.message).toContain(`expected an image of ${gate.host}, found one of`);
      // Mutation leaves to validation what is none of its business.
      expect(await mutate(gate, { object: podOf(name) })).toMatchObject({ allowed: true });
    }
    expect(await ask(`${gate.host}/elsewhere/app`)).toMatchObject({
      allowed: false,
      status: { message: expect.stringContaining('no policy governs it') as string },
    });
    expect(await mutate(gate, { object: podOf(`${gate.host}/Team/App:1`) })).toMatchObject({
      allowed: true,
    });
    expect(await ask(`${gate.host}/Team/App`)).toMatchObject({ allowed: false });
  });

  it('names every refused image of an object, and pins each in its place', async () => {
    const gate = await stage();
    const [good, bad] = [`${gate.host}/team/app:1`, `${gate.host}/team/app:2`];
    const object = pod({
      initContainers: [container(good, 'first')],
      containers: [container(good), container(bad, 'side')],
      volumes: [{ name: 'models', image: { reference: bad } }],
    });
    const refused = await mutate(gate, { object });
    expect(refused.patch).toBeUndefined();
    const lines = refused.status?.message.split('\n') ?? [];
    expect(lines.map((line) => line.split(':', 1)[0])).toEqual(['container side', 'volume models']);
    const pinned = await mutate(gate, {
      object: pod({
        initContainers: [container(good, 'first')],
        containers: [container(`${good}@${SIGNED.digest}`), container(good, 'side')],
        volumes: [
          { name: 'scratch', emptyDir: {} },
          { name: 'm', image: { reference: good } },
        ],
      }),
    });
    expect(pinned.patch?.map(({ path }) => path)).toEqual([
      '/spec/initContainers/0/image',
      '/spec/containers/1/image',
      '/spec/volumes/1/image/reference',
    ]);
  });

  it('pins and judges the images of every built-in workload, each in its own place', async () => {
    const gate = await stage();
    for (const workload of WORKLOADS) {
      const about = (name: string): ReviewParts => ({
        group: workload.group,
        kind: workload.kind,
        object: workload.object({ containers: [container(`${gate.host}/team/app${name}`)] }),
      });
      expect((await mutate(gate, about(':1'))).patch).toEqual([
        {
          op: 'replace',
          path: `${workload.at}/containers/0/image`,
          value: `${gate.host}/team/app:1@${SIGNED.digest}`,
        },
      ]);
      expect((await validate(gate, about(`@${SIGNED.digest}`))).allowed).toBe(true);
      expect((await validate(gate, about(`@${UNSIGNED.digest}`))).allowed).toBe(false);
    }
  });

  it('a revoked tag is not pinned, and a revoked digest not let through', async () => {
    const gate = await stage();
    const name = `${gate.host}/team/app:1`;
    const revoke = async (what: string): Promise<void> => {
      const body = JSON.stringify({ image: what, reason: 'test' });
      const answer = await gate.call('POST', '/api/v1/revocations', { headers: JSON_TYPE, body });
      expect(answer.status).toBe(200);
    };
    await revoke(name);
    expect((await mutate(gate, { object: podOf(name) })).status?.message).toMatch(/revoked/);
    const object = podOf(`${name}@${SIGNED.digest}`);
    expect((await validate(gate, { object })).allowed).toBe(true);
    await revoke(`${gate.host}/team/app@${SIGNED.digest}`);
    expect((await validate(gate, { object })).status?.message).toMatch(/revoked/);
  });

  it('on UPDATE looks at what changed, so that a revoked key stops no status report', async () => {
    const gate = await stage();
    const old = podOf(`${gate.host}/team/app:2@${UNSIGNED.digest}`);
    const status = { ...old, status: { phase: 'Running' } };
    const update = { operation: 'UPDATE', oldObject: old } as const;
    expect(await validate(gate, { ...update, object: status, subResource: 'status' })).toEqual({
      uid: '705ab4f5-6393-11e8-b7cc-42010a800002',
      allowed: true,
    });
    const moved = pod({
      containers: [container(`${gate.host}/team/app:2@${UNSIGNED.digest}`, 'b')],
    });
    expect((await validate(gate, { ...update, object: moved })).allowed).toBe(false);
    expect((await validate(gate, { ...update, oldObject: null, object: old })).allowed).toBe(false);
  });

  it('warns where the policy warns, and leaves no digest out of the look', async () => {
    const gate = await stage({
      more: `
  - name: trial
    images: ["\${registry}/trial/**"]
    mode: warn
    tags: registry
    require: [{ signatures: { by: [bot], formats: [cosign] } }]
  - name: unseen
    images: ["\${registry}/unseen/**"]
    mode: off
    tags: registry
    require: [{ signatures: { by: [bot], formats: [cosign] } }]
`,
    });
    for (const path of ['trial/app', 'unseen/app'])
      await pushImage(gate.registry, path, UNSIGNED, '1');
    const byDigest = await validate(gate, {
      object: podOf(`${gate.host}/trial/app@${UNSIGNED.digest}`),
    });
    expect(byDigest).toMatchObject({ allowed: true });
    expect(byDigest.warnings).toEqual([expect.stringMatching(/^container app: .* not signed: /)]);
    const byTag = await validate(gate, { object: podOf(`${gate.host}/trial/app:1`) });
    expect(byTag.warnings).toEqual([
      expect.stringMatching(/names no digest/),
      expect.stringMatching(/not signed/),
    ]);
    const gone = podOf(`${gate.host}/trial/app:gone`);
    expect(await validate(gate, { object: gone })).toMatchObject({
      allowed: true,
      warnings: [expect.stringMatching(/has no manifest gone/)],
    });
    expect(await mutate(gate, { object: gone })).toMatchObject({
      allowed: true,
      warnings: [expect.stringMatching(/was not pinned/)],
    });
    expect(await mutate(gate, { object: podOf(`${gate.host}/unseen/app:1`) })).toMatchObject({
      allowed: true,
      patch: [{ value: `${gate.host}/unseen/app:1@${UNSIGNED.digest}` }],
    });
    expect(
      await validate(gate, { object: podOf(`${gate.host}/unseen/app@${UNSIGNED.digest}`) }),
    ).not.toHaveProperty('warnings');
    for (const answer of [byDigest, byTag])
      for (const warning of answer.warnings ?? []) expect(warning.length).toBeLessThanOrEqual(256);
  });

  it('a dry run is answered the same and writes nothing', async () => {
    const gate = await stage();
    const count = async (): Promise<string | undefined> =>
      /^countersign_record_events\{log="dec"\} (\d+)$/m.exec(
        (await gate.call('GET', '/metrics')).text,
      )?.[1];
    const before = await count();
    expect(before).toBeDefined();
    const about = (name: string) => ({ dryRun: true, object: podOf(`${gate.host}/team/${name}`) });
    expect((await validate(gate, about(`app@${SIGNED.digest}`))).allowed).toBe(true);
    expect((await validate(gate, about(`app@${UNSIGNED.digest}`))).allowed).toBe(false);
    expect((await mutate(gate, about('app:2'))).allowed).toBe(false);
    expect(await count()).toBe(before);
  });

  it('what mutation made of a Pod, validation lets through, and mutation leaves as it is', async () => {
    const gate = await stage();
    const name = fc.constantFrom(
      ...[':1', '', `@${SIGNED.digest}`, ':2', ':gone', `:1@${UNSIGNED.digest}`].map(
        (reference) => `${gate.host}/team/app${reference}`,
      ),
      'nginx',
      'Not/An/Image',
    );
    await pushImage(gate.registry, 'team/app', SIGNED, 'latest');
    const containers = fc.uniqueArray(
      fc.record({ name: fc.stringMatching(/^[a-z]{1,4}$/), image: name }),
      { maxLength: 3, selector: (one) => one.name },
    );
    let through = 0;
    await fc.assert(
      fc.asyncProperty(containers, containers, async (initContainers, mains) => {
        const object = pod({ initContainers, containers: mains });
        const first = await mutate(gate, { object });
        if (!first.allowed) {
          expect(first.patch).toBeUndefined();
          return;
        }
        const after = patched(object, first.patch);
        expect((await mutate(gate, { object: after })).patch).toBeUndefined();
        const images = [...initContainers, ...mains].map((one) => one.image);
        const good = images.every((one) => /app(:1|@.*)?$/.test(one) && !one.includes(EVIL));
        expect((await validate(gate, { object: after })).allowed).toBe(good);
        through += good ? 1 : 0;
      }),
      { numRuns: 150 },
    );
    expect(through).toBeGreaterThan(5);
  });
});
