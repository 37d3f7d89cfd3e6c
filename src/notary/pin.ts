import type { Repository } from '../oci/reference.ts';
import type { TrustPin } from '../store/trust-data.ts';
import { verifyRoot } from '../tuf/root-trust.ts';
import type { Root } from '../tuf/root.ts';
import { readRoot } from '../tuf/root.ts';

/** What a publish means for the pin of its repository. */
export interface PinStep {
  /** `set`: the first root; `moved`: one that follows the pinned one; `kept`: the pinned one; `foreign`: another. */
  readonly state: 'set' | 'moved' | 'kept' | 'foreign';
  /** What is pinned from now on; `null`: nothing changes. */
  readonly pin: TrustPin | null;
  /** Whether what is published stands under the pinned root and is not older than what was seen. */
  readonly believed: boolean;
}

/**
 * Holds a repository to the first root that was published: a later one takes its place only where it is
 * newer and signed by the pinned one (TUF 5.3). A repository that was deleted and begun again by another
 * hand, or with old files, is served to clients that never saw it; what it says does not count.
 */
export function stepPin(
  repository: Repository,
  now: Date,
  pin: TrustPin | null,
  published: { readonly root: Root; readonly versions: ReadonlyMap<string, number> },
): PinStep {
  const { root, versions } = published;
  const { bytes } = root.envelope;
  if (pin === null) return { state: 'set', pin: { root: bytes, seen: versions }, believed: true };
  const believed = [...versions].every(([role, version]) => version >= (pin.seen.get(role) ?? 0));
  const next = { root: bytes, seen: versions };
  if (Buffer.from(pin.root).equals(bytes)) return { state: 'kept', pin: next, believed };
  return follows(repository, now, pin.root, root)
    ? { state: 'moved', pin: next, believed }
    : { state: 'foreign', pin: null, believed: false };
}

function follows(gun: Repository, now: Date, pinned: Uint8Array, root: Root): boolean {
  const previous = readRoot(pinned);
  if (!previous.ok || root.version <= previous.value.version) return false;
  const context = { gun, now, previous: previous.value };
  return verifyRoot(root.envelope.bytes, { ...context, expiry: 'any' }).ok;
}
