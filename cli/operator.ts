import { userInfo } from 'node:os';

/** Who sits at the machine, for the record; marked as local, as no identity of the service vouches for it. */
export function operator(): string {
  try {
    return `local:${userInfo().username}`;
  } catch {
    return 'local:unknown';
  }
}
