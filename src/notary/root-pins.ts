import { canonicalKeyId } from '../tuf/public-key.ts';
import { rootSigners } from '../tuf/root-certificates.ts';
import type { Root } from '../tuf/root.ts';
import { signersOf } from '../tuf/threshold.ts';

/** Key ids of which enough must have signed a root, each in any form that a person may know it by. */
export type RootPin = readonly string[];

/**
 * True where a verified root fits all pins: as many distinct keys of each as the root itself demands
 * have signed it. An id is that of its listing (what `docker trust inspect` shows), of the key in a
 * key store, or our own.
 */
export function fitsPins(root: Root, gun: string, pins: readonly RootPin[]): boolean {
  const role = { ...root.roles.root, keys: rootSigners(root, gun, null) };
  const signers = [...signersOf(root.envelope, role)].map(([id, key]) => [
    id,
    key.id,
    canonicalKeyId(key),
  ]);
  return pins.every((pin) => {
    const pinned = signers.filter((ids) => ids.some((id) => pin.includes(id)));
    return pinned.length >= role.threshold;
  });
}
