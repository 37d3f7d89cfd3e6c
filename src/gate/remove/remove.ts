import { randomUUID } from 'node:crypto';
import { messageOf } from '../../lib/errors.ts';
import type { Deleted } from '../../log/deletion-event.ts';
import { deletionPassed } from '../../log/deletion-event.ts';
import type { Digest } from '../../oci/digest.ts';
import { parseManifest } from '../../oci/manifest.ts';
import { MEDIA } from '../../oci/media-types.ts';
import type { Repository } from '../../oci/reference.ts';
import { fallbackTag } from '../../oci/referrers.ts';
import { readFallbackIndex, writeFallbackIndex } from '../../trust/referrers/fallback-index.ts';
import type { Caller } from '../access/caller.ts';
import type { Gate } from '../gate.ts';
import type { Refused } from '../outcome.ts';
import { refused } from '../outcome.ts';
import type { GateRegistry } from '../ports.ts';
import { asWritten, giveArtifact } from '../push/give-artifact.ts';
import { evidenceSource } from '../verdict/evidence.ts';
import type { Deletion } from './superseded.ts';

/** Whether something may be deleted: its own right, and only where the policy says `delete: allow`. `null`: it may. */
export function removalRefused(
  gate: Gate,
  registry: GateRegistry,
  repository: Repository,
  caller: Caller,
): Refused | null {
  const forbidden = gate.authoriser.check(caller, 'delete', repository);
  if (forbidden !== null) return forbidden;
  const governing = gate.evaluator.govern(registry, repository);
  const denying = [governing, ...(governing?.floors ?? [])].find(
    (one) => one?.policy.delete !== 'allow',
  );
  if (denying === undefined) return null;
  const by =
    denying === null ? 'no policy governs it' : `policy ${denying.policy.name} says delete: deny`;
  return refused('FORBIDDEN', `${repository}: nothing may be deleted here, ${by}`);
}

/**
 * The digest that a manifest is evidence for, as far as it can be known; to be asked before the
 * manifest is deleted, and given to {@link removed}. Never throws.
 */
export async function subjectOfRemoved(gate: Gate, deletion: Deletion): Promise<Digest | null> {
  const { registry, repository, digest, caller } = deletion;
  try {
    const answer = await gate.fetcher.fetch(registry, repository, digest, caller);
    if (answer.kind !== 'found') return null;
    const parsed = parseManifest(answer.bytes, answer.mediaType);
    return parsed.ok ? (parsed.value.subject?.digest ?? null) : null;
  } catch {
    return null;
  }
}

/** Puts on record, before it is passed on, what a caller has deleted. Throws STORE_UNAVAILABLE: then nothing is deleted. */
export async function recordDeletion(gate: Gate, what: Deleted, caller: Caller): Promise<void> {
  const event = deletionPassed(what, caller.name, randomUUID());
  await gate.ports.store.commit([{ kind: 'event', event }]);
}

/** Forgets all that stood on a tag that was deleted upstream. */
export function tagRemoved(gate: Gate, repository: Repository, tag: string): void {
  gate.tags.forget(repository, tag);
  const subject = gate.artifacts.tagged(tag)?.subject ?? null;
  if (subject !== null) gate.evaluator.verdicts.forget(repository, subject);
}

/** Forgets what is cached of a manifest that is deleted upstream, and the verdicts that stood on it; `subject` is what it was evidence for. */
export function manifestRemoved(
  gate: Gate,
  repository: Repository,
  digest: Digest,
  subject: Digest | null,
): void {
  gate.manifests.delete(repository, digest);
  gate.evaluator.verdicts.forget(repository, digest);
  if (subject !== null) gate.evaluator.verdicts.forget(repository, subject);
}

/**
 * Finishes the deletion of a manifest: what stood under its tags, and, where upstream says that it is
 * `gone`, what it was known to be and the list that names it.
 */
export async function removed(
  gate: Gate,
  deletion: Deletion,
  subject: Digest | null,
  gone: boolean,
): Promise<void> {
  const { repository, digest } = deletion;
  const artifact = await gate.artifacts.known(repository, digest);
  if (artifact !== null && artifact.kind !== 'referrer')
    tagRemoved(gate, repository, artifact.name);
  if (!gone) return;
  await gate.artifacts.forget(repository, digest);
  if (subject === null) return;
  await unlist(gate, deletion, subject).catch((error: unknown) => {
    // The entry leads nowhere now; the next push of the list drops it.
    gate.ports.log.warn({ repository, digest, error: messageOf(error) }, 'a referrer stays listed');
  });
}

/** Takes a referrer that is gone off the list under its subject's fallback tag, where there is one. */
async function unlist(gate: Gate, deletion: Deletion, subject: Digest): Promise<void> {
  const { registry, repository, digest, caller } = deletion;
  const tag = fallbackTag(subject);
  await gate.tagLocks.run(`${repository}\n${tag}`, async () => {
    const stored = await evidenceSource(registry, repository, caller).manifest(tag);
    if (stored === null) return;
    const index = readFallbackIndex(stored.bytes, stored.mediaType);
    if (!index.ok || !index.value.entries.has(digest)) return;
    const { root, entries } = index.value;
    const left = [...entries.values()].filter((entry) => entry.descriptor.digest !== digest);
    const artifact = { kind: 'index', name: tag } as const;
    const next = asWritten(writeFallbackIndex(root, left), MEDIA.ociIndex, artifact);
    await giveArtifact(gate, deletion, next, tag);
    gate.tags.forget(repository, tag);
  });
}
