import { CountersignError } from '../lib/errors.ts';
import { LIMITS } from '../lib/limits.ts';
import type { Digest } from '../oci/digest.ts';
import type { Repository } from '../oci/reference.ts';
import { splitRepository } from '../oci/reference.ts';
import type { ReferrerList } from '../oci/referrers.ts';
import { parseReferrers } from '../oci/referrers.ts';
import type { EvidenceSource } from '../trust/format.ts';
import type { Caller } from './caller.ts';
import type { GateRegistry } from './ports.ts';
import { readBounded } from './upstream-answer.ts';
import type { Upstream } from './upstream.ts';

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
      if (answer.kind === 'relay') {
        throw new CountersignError(
          'UPSTREAM_UNAVAILABLE',
          `the registry answered ${answer.status} when asked for signatures`,
        );
      }
      return { bytes: answer.bytes, mediaType: answer.mediaType };
    },
    blob: (digest, maxBytes) => upstream.blob(path, digest, maxBytes, caller),
    referrers: (digest) => referrers(upstream, path, digest, caller),
  };
}

/** The first page of what upstream lists as referrers; `null` where it has no such API (404). */
async function referrers(
  upstream: Upstream,
  path: string,
  digest: Digest,
  caller: Caller,
): Promise<ReferrerList | null> {
  const target = `/v2/${path}/referrers/${digest}`;
  const answer = await upstream.exchange(
    { method: 'GET', path: target, headers: { 'accept-encoding': 'identity' } },
    caller,
  );
  const bytes = await readBounded(answer.body, LIMITS.manifestBytes);
  if (answer.statusCode === 404) return null;
  if (answer.statusCode !== 200) {
    throw new CountersignError(
      'UPSTREAM_UNAVAILABLE',
      `the registry answered ${answer.statusCode} when asked for referrers`,
    );
  }
  const parsed = parseReferrers(bytes);
  if (!parsed.ok) throw new CountersignError('UPSTREAM_INVALID', parsed.refusal.message);
  return {
    descriptors: parsed.value.slice(0, LIMITS.referrers),
    complete: parsed.value.length <= LIMITS.referrers && answer.headers['link'] === undefined,
  };
}
