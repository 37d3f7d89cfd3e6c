import { describe, expect, it } from 'vitest';
import type { JsonObject } from '../../src/lib/json.ts';
import type { Answered, ReviewParts } from '../support/admission.ts';
import { WORKLOADS, ask, container, pod, podOf } from '../support/admission.ts';
import type { Attacked } from '../support/attacked.ts';
import { attackedGates } from '../support/attacked.ts';
import { contentImage, pushImage } from '../support/image.ts';

const SIGNED = contentImage('signed\n');
const UNSIGNED = contentImage('unsigned\n');

// What other admission controllers overlooked, each with the object that went past them.
describe('admission overlooks nothing', () => {
  const attacked = attackedGates();
  /** A gate, and one reference each of what is signed and what is not. */
  const stage = async () => {
    const gate = await attacked();
    await pushImage(gate.registry, 'team/app', SIGNED, '1');
    await pushImage(gate.registry, 'team/app', UNSIGNED, '2');
    await gate.signBehind('team/app', SIGNED.digest);
    return {
      gate,
      good: `${gate.host}/team/app:1@${SIGNED.digest}`,
      evil: `${gate.host}/team/app:2@${UNSIGNED.digest}`,
    };
  };
  const validate = (gate: Attacked, parts: ReviewParts): Promise<Answered> =>
    ask(gate, 'validate', parts);
  /** What both webhooks say: what validation refuses by digest, mutation must not wave through by tag. */
  const both = async (
    gate: Attacked,
    about: (name: string) => ReviewParts,
    evil: string,
  ): Promise<readonly string[]> => {
    const byDigest = await validate(gate, about(evil));
    const byTag = await ask(gate, 'mutate', about(evil.replace(/@.*$/, '')));
    return [byDigest, byTag].map(({ allowed, status }) =>
      allowed ? 'allowed' : `${status?.code} ${/not signed/.exec(status?.message ?? '')?.[0]}`,
    );
  };
  const REFUSED = ['403 not signed', '403 not signed'];

  it('T-42: init containers, sidecars among them', async () => {
    const { gate, good, evil } = await stage();
    const about = (name: string): ReviewParts => ({
      object: pod({
        initContainers: [{ ...container(name, 'first'), restartPolicy: 'Always' }],
        containers: [container(good)],
      }),
    });
    expect(await both(gate, about, evil)).toEqual(REFUSED);
    expect((await validate(gate, about(good))).allowed).toBe(true);
  });

  it('T-43: ephemeral containers, by the subresource that adds them', async () => {
    const { gate, good, evil } = await stage();
    const old = podOf(good);
    const about = (name: string): ReviewParts => ({
      operation: 'UPDATE',
      subResource: 'ephemeralcontainers',
      oldObject: old,
      object: pod({
        containers: [container(good)],
        ephemeralContainers: [{ ...container(name, 'debugger'), targetContainerName: 'app' }],
      }),
    });
    expect(await both(gate, about, evil)).toEqual(REFUSED);
    expect((await validate(gate, about(good))).allowed).toBe(true);
  });

  it('T-44: image volumes', async () => {
    const { gate, good, evil } = await stage();
    const about = (reference: string): ReviewParts => ({
      object: pod({
        containers: [container(good)],
        volumes: [{ name: 'models', image: { reference, pullPolicy: 'IfNotPresent' } }],
      }),
    });
    expect(await both(gate, about, evil)).toEqual(REFUSED);
    expect((await validate(gate, about(good))).allowed).toBe(true);
  });

  it('T-45: workloads of zero replicas', async () => {
    const { gate, evil } = await stage();
    const about = (name: string): ReviewParts => ({
      group: 'apps',
      kind: 'Deployment',
      object: {
        kind: 'Deployment',
        spec: { replicas: 0, paused: true, template: { spec: { containers: [container(name)] } } },
      },
    });
    expect(await both(gate, about, evil)).toEqual(REFUSED);
  });

  it('T-46: objects that are being deleted', async () => {
    const { gate, good, evil } = await stage();
    const dying = { deletionTimestamp: '2026-01-01T00:00:00Z', finalizers: ['example.com/hold'] };
    const about = (name: string): ReviewParts => ({
      operation: 'UPDATE',
      oldObject: pod({ containers: [container(good)] }, dying),
      object: pod({ containers: [container(name)] }, dying),
    });
    expect(await both(gate, about, evil)).toEqual(REFUSED);
    // To let go of what is there, even if it is trusted no more, is no change of an image.
    const held = pod({ containers: [container(evil)] }, dying);
    const released = pod({ containers: [container(evil)] }, { ...dying, finalizers: [] });
    const release = { operation: 'UPDATE', oldObject: held, object: released };
    expect((await validate(gate, release)).allowed).toBe(true);
  });

  it('T-47: updates by any subresource; those that carry no image pass', async () => {
    const { gate, good, evil } = await stage();
    for (const subResource of ['resize', 'status', 'ephemeralcontainers', 'something-new']) {
      const about = (name: string): ReviewParts => ({
        operation: 'UPDATE',
        subResource,
        oldObject: podOf(good),
        object: podOf(name),
      });
      expect(await both(gate, about, evil)).toEqual(REFUSED);
    }
    const scale = { kind: 'Scale', apiVersion: 'autoscaling/v1', spec: { replicas: 3 } };
    const scaling = { group: 'autoscaling', kind: 'Scale', operation: 'UPDATE' };
    expect(
      await validate(gate, { ...scaling, subResource: 'scale', object: scale, oldObject: scale }),
    ).toMatchObject({ allowed: true });
    for (const operation of ['DELETE', 'CONNECT'])
      expect((await validate(gate, { operation, oldObject: podOf(evil) })).allowed).toBe(true);
  });

  it('T-48: children of what was approved before, with another image', async () => {
    const { gate, good, evil } = await stage();
    const template = { spec: { containers: [container(good)] } };
    const parent = { kind: 'ReplicaSet', metadata: { uid: 'r-1' }, spec: { template } };
    const approved = await validate(gate, { group: 'apps', kind: 'ReplicaSet', object: parent });
    expect(approved.allowed).toBe(true);
    const owner = { apiVersion: 'apps/v1', kind: 'ReplicaSet', uid: 'r-1', controller: true };
    const about = (name: string): ReviewParts => ({
      username: 'system:serviceaccount:kube-system:replicaset-controller',
      object: pod({ containers: [container(name)] }, { ownerReferences: [owner] }),
    });
    expect(await both(gate, about, evil)).toEqual(REFUSED);
  });

  it('T-49, T-51: whatever labels and annotations say', async () => {
    const { gate, evil } = await stage();
    const claims = Object.fromEntries(
      [
        'countersign/skip',
        'countersign/verified',
        'kyverno.io/verify-images',
        'policy.sigstore.dev/exclude',
        'securityenforcement.admission.cloud.ibm.com/skip',
        'connaisseur/webhook',
        'admission.k8s.io/ignore',
        'control-plane',
      ].map((key) => [key, `{"${evil}":"pass"}`]),
    );
    const about = (name: string): ReviewParts => ({
      object: pod({ containers: [container(name)] }, { labels: claims, annotations: claims }),
    });
    expect(await both(gate, about, evil)).toEqual(REFUSED);
  });

  it('T-50: bare workloads of every built-in kind', async () => {
    const { gate, evil } = await stage();
    for (const workload of WORKLOADS) {
      const about = (name: string): ReviewParts => ({
        group: workload.group,
        kind: workload.kind,
        object: workload.object({ containers: [container(name)] }),
      });
      expect(await both(gate, about, evil)).toEqual(REFUSED);
    }
  });

  it('T-50: kinds that it does not know, though they look like Pods', async () => {
    const { gate, good } = await stage();
    const object: JsonObject = { spec: { template: { spec: { containers: [container(good)] } } } };
    for (const webhook of ['validate', 'mutate']) {
      for (const [group, version, kind] of [
        ['serving.knative.dev', 'v1', 'Service'],
        ['apps', 'v1beta1', 'Deployment'],
        ['example.com', 'v1', 'Pod'],
      ] as const) {
        const answer = await ask(gate, webhook, { group, version, kind, object });
        expect(answer).toMatchObject({ allowed: false, status: { code: 403 } });
        expect(answer.status?.message).toMatch(/leave it out of the webhook's rules/);
      }
      // What a review says of the object and what the object says of itself have to agree.
      const lying = await ask(gate, webhook, {
        object: { ...podOf(good), kind: 'Deployment' },
      });
      expect(lying.allowed).toBe(false);
    }
  });

  it('T-44: a field of a later Kubernetes that names an image', async () => {
    const { gate, good, evil } = await stage();
    const object = pod({ containers: [container(good)], lateContainers: [container(evil, 'x')] });
    for (const webhook of ['validate', 'mutate']) {
      const answer = await ask(gate, webhook, { object });
      expect(answer.allowed).toBe(false);
      expect(answer.status?.message).toMatch(/^\/spec\/lateContainers names an image in a field/);
    }
  });

  it('T-37: members that only a reader without regard to case takes for others', async () => {
    const { gate, good, evil } = await stage();
    const spec = { containers: [container(good)] };
    const other = { containers: [container(evil)] };
    const volume = { name: 'models', image: { reference: good, Reference: evil } };
    const deployment = { group: 'apps', kind: 'Deployment' };
    const reviews: readonly ReviewParts[] = [
      { object: { ...pod(spec), Spec: other } },
      { object: { ...pod(spec), ſpec: other } },
      { object: pod({ ...spec, Containers: other.containers }) },
      { object: pod({ containers: [{ ...container(good), IMAGE: evil }] }) },
      { object: pod({ ...spec, volumes: [volume] }) },
      { ...deployment, object: { spec: { template: { spec }, Template: { spec: other } } } },
    ];
    for (const parts of reviews) expect((await validate(gate, parts)).allowed).toBe(false);
  });
});
