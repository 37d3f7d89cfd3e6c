/** A kind as the API server names it. */
export interface GroupVersionKind {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
}

/** Where a kind keeps its pod spec; `nothing` for what carries none; `unknown` for all else. */
export type PodSpecPlace =
  | { readonly kind: 'pod-spec'; readonly path: readonly string[] }
  | { readonly kind: 'nothing' }
  | { readonly kind: 'unknown' };

const TEMPLATE = ['spec', 'template', 'spec'];

/** `group/version/Kind` of everything of Kubernetes itself that runs images. */
const PLACES: ReadonlyMap<string, readonly string[]> = new Map([
  ['/v1/Pod', ['spec']],
  ['/v1/PodTemplate', ['template', 'spec']],
  ['/v1/ReplicationController', TEMPLATE],
  ['apps/v1/Deployment', TEMPLATE],
  ['apps/v1/ReplicaSet', TEMPLATE],
  ['apps/v1/StatefulSet', TEMPLATE],
  ['apps/v1/DaemonSet', TEMPLATE],
  ['batch/v1/Job', TEMPLATE],
  ['batch/v1/CronJob', ['spec', 'jobTemplate', 'spec', 'template', 'spec']],
]);

/** Subresources whose objects hold a number, a node's name or a wish to be gone, and no pod spec. */
const WITHOUT_IMAGES: ReadonlyMap<string, string> = new Map([
  ['scale', 'autoscaling/v1/Scale'],
  ['binding', '/v1/Binding'],
  ['eviction', 'policy/v1/Eviction'],
]);

/**
 * Where the pod spec of an object is. The subresource only matters for what is known to carry none:
 * everything that is a Pod or a workload is looked at, by whatever road it comes (`status`, `resize`,
 * `ephemeralcontainers`; T-47). A kind that is not known here may embed a pod spec (T-50).
 */
export function placeOf(
  { group, version, kind }: GroupVersionKind,
  subResource: string,
): PodSpecPlace {
  const name = `${group}/${version}/${kind}`;
  const path = PLACES.get(name);
  if (path !== undefined) return { kind: 'pod-spec', path };
  return WITHOUT_IMAGES.get(subResource) === name ? { kind: 'nothing' } : { kind: 'unknown' };
}

/** The kind as a person writes it: `Deployment.apps/v1`, `Pod/v1`. */
export function kindName({ group, version, kind }: GroupVersionKind): string {
  return `${kind}${group === '' ? '' : `.${group}`}/${version}`;
}
