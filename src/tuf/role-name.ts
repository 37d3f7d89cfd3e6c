/** The four roles that every repository has (TUF 2.1). */
export type BaseRole = 'root' | 'targets' | 'snapshot' | 'timestamp';

/** The base roles, in the order in which a root is checked for them. */
export const BASE_ROLES: readonly BaseRole[] = ['root', 'targets', 'snapshot', 'timestamp'];

/** The delegation that holds what docker pulls (dct-protocol 3.6). */
export const RELEASES = 'targets/releases';

const MAX_LENGTH = 255;
const DELEGATION = /^targets(?:\/[-a-z0-9_]+)+$/;

/** True for one of the four base roles. */
export function isBaseRole(name: string): name is BaseRole {
  return (BASE_ROLES as readonly string[]).includes(name);
}

/** True for a delegation's name (dct-protocol 1): `targets/…` in lower case, no empty or dotted segment, at most 255 characters. */
export function isDelegation(name: string): boolean {
  return name.length <= MAX_LENGTH && DELEGATION.test(name);
}

/** True for every name that metadata may be uploaded under. */
export function isRoleName(name: string): boolean {
  return isBaseRole(name) || isDelegation(name);
}

/** The role that delegates to this one: `targets/a` for `targets/a/b`. */
export function parentOf(delegation: string): string {
  return delegation.slice(0, delegation.lastIndexOf('/'));
}

/** The roles above a delegation, `targets` first; none for a base role. */
export function ancestorsOf(role: string): readonly string[] {
  const out: string[] = [];
  let at = role;
  while (isDelegation(at)) {
    at = parentOf(at);
    out.unshift(at);
  }
  return out;
}

/** Shallow before deep, else by name, so that a parent is always looked at before its children. */
export function byDepth(a: string, b: string): number {
  const depth = a.split('/').length - b.split('/').length;
  return depth !== 0 ? depth : a < b ? -1 : a > b ? 1 : 0;
}
