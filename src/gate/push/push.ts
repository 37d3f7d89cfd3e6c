import { algorithmOf, digestOf, shortDigest } from '../../oci/digest.ts';
import { parseManifest } from '../../oci/manifest.ts';
import type { Gate } from '../gate.ts';
import type { Refused } from '../outcome.ts';
import { refused, refusedByFailure } from '../outcome.ts';
import { pushArtifact } from './artifact.ts';
import type { PushOutcome, PushRequest, Pushed } from './give.ts';
import { give } from './give.ts';
import { referrerArrived } from './referrer-arrived.ts';
import { pushTag } from './tag.ts';

/**
 * A push: by digest it is passed on, since content without a name is unreachable; a tag is
 * only given to what is trusted, or held, as the policy says. Never throws.
 */
export async function push(gate: Gate, request: PushRequest): Promise<PushOutcome> {
  try {
    const pushed = readPush(gate, request);
    if ('kind' in pushed) return pushed;
    const { reference } = pushed;
    if ('digest' in reference) return await pushDigest(gate, pushed);
    const claimed = gate.artifacts.tagged(reference.tag);
    if (claimed !== null) return await pushArtifact(gate, pushed, reference.tag, claimed);
    return await pushTag(gate, pushed, reference.tag);
  } catch (error) {
    return pushFailed(gate, request, error);
  }
}

/** Reads what is pushed, for a caller with the right to: a strict manifest, of the digest that it is pushed by. */
export function readPush(gate: Gate, request: PushRequest): Pushed | Refused {
  const forbidden = gate.authoriser.check(request.caller, 'push', request.repository);
  if (forbidden !== null) return forbidden;
  const { reference, bytes } = request;
  const parsed = parseManifest(bytes, request.contentType);
  if (!parsed.ok) return refused(parsed.refusal.code, parsed.refusal.message);
  const digest = digestOf(bytes, 'digest' in reference ? algorithmOf(reference.digest) : 'sha256');
  if ('digest' in reference && digest !== reference.digest) {
    return refused(
      'DIGEST_INVALID',
      `expected content of ${shortDigest(reference.digest)}, found ${shortDigest(digest)}`,
    );
  }
  return { ...request, digest, manifest: parsed.value };
}

/** Stores a manifest under its digest alone. Throws where the store or the registry cannot be reached. */
export async function pushDigest(gate: Gate, pushed: Pushed): Promise<PushOutcome> {
  const outcome = await give(gate, pushed, pushed.digest);
  if (outcome.kind === 'created') await referrerArrived(gate, pushed);
  return outcome;
}

/** Logs what was thrown, and makes the refusal that the client gets. */
export function pushFailed(gate: Gate, request: PushRequest, error: unknown): Refused {
  const failure = refusedByFailure(error);
  gate.ports.log.warn({ code: failure.code, repository: request.repository, error }, 'push failed');
  return failure;
}
