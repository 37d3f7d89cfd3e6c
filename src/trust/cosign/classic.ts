import { LIMITS } from '../../lib/limits.ts';
import { mapParallel } from '../../lib/parallel.ts';
import type { Result } from '../../lib/result.ts';
import { ok } from '../../lib/result.ts';
import type { Authority, EvidenceSource, Finding, Subject } from '../format.ts';
import { reading, readLayer } from './evidence.ts';
import type { Claim } from './judge.ts';
import { finding, judge, summarise, tooMany, unreadable, unusable } from './judge.ts';
import { parseSignatureManifest } from './manifest.ts';
import { parsePayload } from './payload.ts';

// Payloads fetched at a time; cosign's own bound is 10.
const WIDTH = 8;

/**
 * Verifies the classic signatures under the tag: one finding for each (payload, key) that holds; at
 * most a few for what does not; one `absent` where there is no signature; one `inconclusive` for all
 * that could not be read.
 */
export async function verifyClassic(
  subject: Subject,
  tag: string,
  source: EvidenceSource,
  authorities: readonly Authority[],
): Promise<readonly Finding[]> {
  const answer = await reading(() => source.manifest(tag));
  if ('unread' in answer) return [unreadable('signatures', answer.unread)];
  if (answer.value === null) return [finding('absent', 'no cosign signature in the repository')];
  const manifest = parseSignatureManifest(answer.value.bytes, answer.value.mediaType);
  if (!manifest.ok) {
    return [finding('invalid', `signature manifest: ${manifest.refusal.message.slice(0, 200)}`)];
  }
  const { layers } = manifest.value;
  if (layers.length === 0) return [finding('absent', 'the signature manifest holds no signature')];
  const judged = await mapParallel(layers.slice(0, LIMITS.signatures), WIDTH, async (layer) => {
    const read = await readLayer(layer, source);
    if ('unread' in read) return read;
    if (!read.ok) return unusable(read.refusal.message);
    const { value } = read;
    return judge(subject, value, authorities, () => readClaim(value.message));
  });
  const found = summarise(judged);
  if (layers.length <= LIMITS.signatures) return found;
  return [...found, tooMany(`${LIMITS.signatures} signatures`, String(layers.length))];
}

function readClaim(message: Uint8Array): Result<Claim> {
  const payload = parsePayload(message);
  if (!payload.ok) return payload;
  const { digest, repository, tag, timestamp, annotations } = payload.value;
  const signedAt = timestamp === null ? null : { time: new Date(timestamp * 1000), trusted: false };
  return ok({ digest, signed: { repository, tag }, signedAt, annotations });
}
