import type { Json, JsonObject } from '../../src/lib/json.ts';
import type { Attacked } from './attacked.ts';
import type { Called } from './http-call.ts';

/** An AdmissionRequest's members, laid over a CREATE of a Pod. */
export interface ReviewParts {
  readonly group?: string;
  readonly version?: string;
  readonly kind?: string;
  readonly operation?: string;
  readonly subResource?: string;
  readonly object?: Json;
  readonly oldObject?: Json;
  readonly dryRun?: boolean;
  readonly username?: string;
  readonly uid?: string;
}

/** A review as the API server sends it (admission.k8s.io/v1). */
export function review(parts: ReviewParts = {}): JsonObject {
  const { group = '', version = 'v1', kind = 'Pod', operation = 'CREATE', subResource } = parts;
  const resource = { group, version, resource: `${kind.toLowerCase()}s` };
  return {
    kind: 'AdmissionReview',
    apiVersion: 'admission.k8s.io/v1',
    request: {
      uid: parts.uid ?? '705ab4f5-6393-11e8-b7cc-42010a800002',
      kind: { group, version, kind },
      resource,
      ...(subResource === undefined ? {} : { subResource }),
      requestKind: { group, version, kind },
      requestResource: resource,
      name: 'demo',
      namespace: 'default',
      operation,
      userInfo: { username: parts.username ?? 'alice', groups: ['system:authenticated'] },
      object: parts.object ?? null,
      oldObject: parts.oldObject ?? null,
      dryRun: parts.dryRun ?? false,
      options: { kind: `${operation}Options`, apiVersion: 'meta.k8s.io/v1' },
    },
  };
}

/** A container; its name is `app` unless told otherwise. */
export const container = (image: string, name = 'app'): JsonObject => ({
  name,
  image,
  resources: {},
  imagePullPolicy: 'IfNotPresent',
});

/** A Pod with this spec. */
export const pod = (spec: JsonObject, metadata: JsonObject = {}): JsonObject => ({
  kind: 'Pod',
  apiVersion: 'v1',
  metadata: { name: 'demo', namespace: 'default', ...metadata },
  spec: { restartPolicy: 'Always', ...spec },
});

/** A Pod with one container of this image. */
export const podOf = (image: string): JsonObject => pod({ containers: [container(image)] });

/** The built-in kinds that run images, and an object of each around a pod spec. */
export const WORKLOADS: readonly {
  readonly group: string;
  readonly kind: string;
  /** JSON pointer of the pod spec. */
  readonly at: string;
  readonly object: (spec: JsonObject) => JsonObject;
}[] = [
  { group: '', kind: 'Pod', at: '/spec', object: (spec) => pod(spec) },
  {
    group: '',
    kind: 'PodTemplate',
    at: '/template/spec',
    object: (spec) => ({ kind: 'PodTemplate', template: { spec } }),
  },
  ...[
    ['', 'ReplicationController'],
    ['apps', 'Deployment'],
    ['apps', 'ReplicaSet'],
    ['apps', 'StatefulSet'],
    ['apps', 'DaemonSet'],
    ['batch', 'Job'],
  ].map(([group = '', kind = '']) => ({
    group,
    kind,
    at: '/spec/template/spec',
    object: (spec: JsonObject): JsonObject => ({ kind, spec: { replicas: 1, template: { spec } } }),
  })),
  {
    group: 'batch',
    kind: 'CronJob',
    at: '/spec/jobTemplate/spec/template/spec',
    object: (spec) => ({
      kind: 'CronJob',
      spec: { jobTemplate: { spec: { template: { spec } } } },
    }),
  },
];

/** What the webhook answered, read as the API server reads it. */
export interface Answered {
  readonly uid: string;
  readonly allowed: boolean;
  readonly status?: { readonly code: number; readonly reason: string; readonly message: string };
  readonly warnings?: readonly string[];
  readonly auditAnnotations?: Readonly<Record<string, string>>;
  readonly patchType?: string;
  readonly patch?: readonly {
    readonly op: string;
    readonly path: string;
    readonly value: string;
  }[];
}

/** Reads an AdmissionReview; throws where the answer is none. */
export function answered(called: Pick<Called, 'status' | 'text'>): Answered {
  if (called.status !== 200) throw new Error(`status ${called.status}: ${called.text}`);
  const body = JSON.parse(called.text) as {
    readonly apiVersion: string;
    readonly kind: string;
    readonly response: Omit<Answered, 'patch'> & { readonly patch?: string };
  };
  if (body.apiVersion !== 'admission.k8s.io/v1' || body.kind !== 'AdmissionReview')
    throw new Error(`expected an AdmissionReview, found ${called.text}`);
  const { patch, ...rest } = body.response;
  if (patch === undefined) return rest;
  return {
    ...rest,
    patch: JSON.parse(Buffer.from(patch, 'base64').toString()) as NonNullable<Answered['patch']>,
  };
}

/** Asks a webhook as the API server does: by a name of its own, with no credentials. */
export async function ask(
  gate: Pick<Attacked, 'call'>,
  webhook: string,
  parts: ReviewParts,
  timeout = '10s',
): Promise<Answered> {
  const headers = { 'content-type': 'application/json', host: 'countersign.countersign.svc' };
  const body = JSON.stringify(review(parts));
  return answered(
    await gate.call('POST', `/admission/${webhook}?timeout=${timeout}`, { headers, body }),
  );
}

/** The object with the patch's replacements made, each of a member that is there (RFC 6902 section 4.3). */
export function patched(object: JsonObject, patch: Answered['patch'] = []): JsonObject {
  const copy = structuredClone(object);
  for (const { op, path, value } of patch) {
    if (op !== 'replace') throw new Error(`expected replace, found ${op}`);
    const steps = path.slice(1).split('/');
    const last = steps.pop() ?? '';
    let at = copy as unknown as Record<string, unknown>;
    for (const step of steps) at = at[step] as Record<string, unknown>;
    if (!Object.hasOwn(at, last)) throw new Error(`nothing to replace at ${path}`);
    at[last] = value;
  }
  return copy;
}
