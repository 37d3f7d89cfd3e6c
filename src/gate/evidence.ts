import { CountersignError } from '../lib/errors.ts';
import type { Repository } from '../oci/reference.ts';
import { splitRepository } from '../oci/reference.ts';
import type { EvidenceSource } from '../trust/format.ts';
import type { Caller } from './caller.ts';
import type { GateRegistry } from './ports.ts';

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
    referrers: (digest) => upstream.referrers(path, digest, caller),
  };
}
