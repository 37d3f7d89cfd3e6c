import type { Digest } from '../../oci/digest.ts';
import { digestOf } from '../../oci/digest.ts';
import { splitRepository } from '../../oci/reference.ts';
import type { ArtifactRecord } from '../../store/store.ts';
import type { Gate } from '../gate.ts';
import type { PushOutcome, Pushed } from './give.ts';

/** Where an artifact is written, and for whom. */
type Writing = Pick<Pushed, 'registry' | 'repository' | 'caller'>;

/** A manifest that is evidence: what is put, and what it was checked to be. */
export interface GivenArtifact {
  readonly bytes: Uint8Array;
  readonly mediaType: string;
  readonly digest: Digest;
  readonly artifact: Pick<ArtifactRecord, 'kind' | 'name'>;
}

/**
 * Puts a signature artifact upstream under a tag or its digest, and remembers what it is. Unlike an
 * image's its links are not learned: it admits itself only, never what its descriptors name.
 */
export async function giveArtifact(
  gate: Gate,
  to: Writing,
  given: GivenArtifact,
  reference: string,
): Promise<PushOutcome> {
  const { registry, repository, caller } = to;
  const { bytes, mediaType, digest } = given;
  // Of signatures nobody asks: no index is one.
  const only = given.artifact.kind !== 'index' || (await isNothingElse(gate, to, digest));
  const { path } = splitRepository(repository);
  const answer = await registry.upstream.putManifest(path, reference, bytes, mediaType, caller);
  if (answer.kind === 'relay') return answer;
  await gate.artifacts.remember(repository, digest, { ...given.artifact, only });
  gate.manifests.set(repository, { bytes, mediaType, digest });
  return { kind: 'created', digest, subject: answer.subject, held: false, warning: null };
}

/** The artifact that a push brings, byte for byte. */
export function asPushed(pushed: Pushed, artifact: GivenArtifact['artifact']): GivenArtifact {
  const { bytes, manifest, digest } = pushed;
  return { bytes, mediaType: manifest.mediaType, digest, artifact };
}

/** An artifact that the gate wrote itself, to stand under a tag instead of what was pushed. */
export function asWritten(
  bytes: Uint8Array,
  mediaType: string,
  artifact: GivenArtifact['artifact'],
): GivenArtifact {
  return { bytes, mediaType, digest: digestOf(bytes), artifact };
}

/**
 * True where the repository does not have these bytes as an image or index as well: what is only an
 * artifact is no parent of anything, and may go when it is superseded.
 */
async function isNothingElse(gate: Gate, to: Writing, digest: Digest): Promise<boolean> {
  const { registry, repository, caller } = to;
  const known = await gate.artifacts.known(repository, digest);
  if (known !== null) return known.only;
  if ((await gate.ports.store.pushedAt(repository, digest)) !== null) return false;
  const { path } = splitRepository(repository);
  return (await registry.upstream.head(path, digest, caller)).kind === 'absent';
}
