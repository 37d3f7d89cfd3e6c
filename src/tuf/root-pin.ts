import { canonicalKeyId } from './public-key.ts';
import { rootSigners } from './root-certificates.ts';
import type { Root } from './root.ts';
import { signersOf } from './threshold.ts';

/** Key ids of which enough must have signed a root, each in any form that a person may know it by. */
export type RootPin = readonly string[];

/** Who signed a root, each by all the ids that one key goes by, and how many of them it takes. */
export interface RootSignatures {
  readonly signers: readonly (readonly string[])[];
  readonly threshold: number;
}

/**
 * Who signed a verified root: by the id of its listing (what `docker trust inspect` shows), of the key
 * in a key store, and our own. The dates of its certificates are not asked.
 */
export function rootSignatures(root: Root, gun: string): RootSignatures {
  const role = { ...root.roles.root, keys: rootSigners(root, gun, null) };
  const signers = [...signersOf(root.envelope, role)].map(([id, key]) => [
    key.id,
    canonicalKeyId(key),
    id,
  ]);
  return { signers, threshold: role.threshold };
}

/** True where as many distinct keys of a pin have signed a root as the root itself demands. */
export function meetsPin({ signers, threshold }: RootSignatures, pin: RootPin): boolean {
  const pinned = signers.filter((ids) => ids.some((id) => pin.includes(id)));
  return pinned.length >= Math.max(1, threshold);
}

/** True where a verified root meets all pins. */
export function meetsPins(root: Root, gun: string, pins: readonly RootPin[]): boolean {
  const signatures = rootSignatures(root, gun);
  return pins.every((pin) => meetsPin(signatures, pin));
}
