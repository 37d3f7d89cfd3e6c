import type { Digest } from '../../oci/digest.ts';
import type { Manifest } from '../../oci/manifest.ts';
import type { Repository } from '../../oci/reference.ts';
import { splitRepository } from '../../oci/reference.ts';
import type { Write } from '../../store/store.ts';
import type { Caller } from '../access/caller.ts';
import { linksOf } from '../content/links.ts';
import type { Gate } from '../gate.ts';
import type { Refused } from '../outcome.ts';
import type { GateRegistry } from '../ports.ts';
import type { Relayed } from '../upstream/upstream.ts';

/** A push of a manifest: its raw bytes, and the tag or digest it is given. */
export interface PushRequest {
  readonly registry: GateRegistry;
  readonly repository: Repository;
  readonly reference: { readonly tag: string } | { readonly digest: Digest };
  readonly contentType: string;
  readonly bytes: Uint8Array;
  readonly caller: Caller;
}

/** How a push ends. */
export type PushOutcome =
  | {
      readonly kind: 'created';
      /** The digest of what the client sent. */
      readonly digest: Digest;
      /** What upstream's OCI-Subject header said: it keeps referrers itself. */
      readonly subject: Digest | null;
      /** True where the tag waits for a signature. */
      readonly held: boolean;
      readonly warning: string | null;
    }
  | Refused
  | Relayed;

/** A push whose manifest was read. */
export interface Pushed extends PushRequest {
  readonly digest: Digest;
  readonly manifest: Manifest;
}

/** Puts the manifest upstream under a tag or digest and remembers what it contains. */
export async function give(gate: Gate, pushed: Pushed, reference: string): Promise<PushOutcome> {
  const { registry, repository, digest, manifest, bytes, caller } = pushed;
  const { path } = splitRepository(repository);
  const answer = await registry.upstream.putManifest(
    path,
    reference,
    bytes,
    manifest.mediaType,
    caller,
  );
  if (answer.kind === 'relay') return answer;
  const children = linksOf(manifest);
  const writes: Write[] = [
    { kind: 'pushed', repository, digest, by: caller.name, at: gate.ports.now().getTime() },
    ...(children.length === 0
      ? []
      : [{ kind: 'edges', repository, parent: digest, children } as const]),
  ];
  await gate.ports.store.commit(writes);
  gate.links.forget(repository, children);
  gate.manifests.set(repository, { bytes, mediaType: manifest.mediaType, digest });
  return {
    kind: 'created',
    digest,
    subject: answer.subject,
    held: false,
    warning: null,
  };
}
