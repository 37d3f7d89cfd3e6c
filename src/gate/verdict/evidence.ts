import { LRUCache } from 'lru-cache';
import { LIMITS } from '../../lib/limits.ts';
import type { Repository } from '../../oci/reference.ts';
import { splitRepository } from '../../oci/reference.ts';
import type { Evidence, EvidenceSource } from '../../trust/format.ts';
import type { Caller } from '../access/caller.ts';
import type { GatePorts, GateRegistry } from '../ports.ts';
import { refusedToSay } from '../upstream/answer.ts';

/**
 * Reads a repository's evidence from upstream with the rights of the caller (or the gate's own).
 * A refusal by upstream (401, 403, 429) means "could not find out", never "there is none" (T-57).
 */
export function evidenceSource(
  { upstream }: GateRegistry,
  repository: Repository,
  caller: Caller,
): EvidenceSource {
  const { path } = splitRepository(repository);
  return {
    async manifest(reference) {
      const answer = await upstream.manifest(path, reference, caller);
      if (answer.kind === 'absent') return null;
      if (answer.kind === 'relay') throw refusedToSay(answer, 'signatures');
      return { bytes: answer.bytes, mediaType: answer.mediaType };
    },
    blob: (digest, maxBytes) => upstream.blob(path, digest, maxBytes, caller),
    referrers: (digest) => upstream.referrers(path, digest, caller),
  };
}

/** The source with the repository's trust data, which are the service's own and nobody's rights hide. */
export function withTrustData(
  source: EvidenceSource,
  ports: Pick<GatePorts, 'trustData'>,
  repository: Repository,
): Evidence {
  return { ...source, trustData: () => ports.trustData(repository) };
}

/** Payloads that are remembered while one subject's evidence is looked at. */
const PAYLOADS = 64;

/** The source, asked once for each small blob: the signatures of one image often share one payload. */
export function rememberingPayloads(source: EvidenceSource): EvidenceSource {
  const payloads = new LRUCache<string, Promise<Uint8Array | null>>({ max: PAYLOADS });
  return {
    manifest: (reference) => source.manifest(reference),
    referrers: (digest) => source.referrers(digest),
    blob(digest, maxBytes) {
      if (maxBytes > LIMITS.payloadBytes) return source.blob(digest, maxBytes);
      const key = `${digest} ${maxBytes}`;
      const known = payloads.get(key) ?? source.blob(digest, maxBytes);
      payloads.set(key, known);
      return known;
    },
  };
}
