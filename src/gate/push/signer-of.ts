import { setImmediate as turn } from 'node:timers/promises';
import type { Digest } from '../../oci/digest.ts';
import type { Descriptor } from '../../oci/manifest.ts';
import { askedOf } from '../../policy/match.ts';
import type {
  Evidence,
  EvidenceSource,
  SignatureFormat,
  StoredArtifact,
} from '../../trust/format.ts';
import type { Gate } from '../gate.ts';
import { rememberingPayloads } from '../verdict/evidence.ts';
import type { Pushed } from './give.ts';

/** What {@link signerOf} looks at: one signature under a format's tag, or one referrer. */
export type OneEvidence =
  | { readonly kind: 'tagged'; readonly tag: string; readonly artifact: StoredArtifact }
  | { readonly kind: 'referrer'; readonly descriptor: Descriptor };

/**
 * Tells which key of the authorities that the repository's policy asks for made one piece of evidence
 * for the subject, and for which name; `null` where none did, or it could not be read. The formats verify it as they
 * verify all evidence, from a source that has this one piece only.
 */
export function signerOf(
  gate: Gate,
  { registry, repository }: Pushed,
  subject: Digest,
  source: EvidenceSource,
  formats: readonly SignatureFormat[] = gate.ports.formats,
): (one: OneEvidence) => Promise<string | null> {
  const governing = gate.evaluator.govern(registry, repository);
  // Of whatever format: one that no rule asks for now may be asked for after the next edit.
  const authorities =
    governing === null ? [] : askedOf(governing, gate.ports.authorities(), formats).authorities;
  const reading = rememberingPayloads(source);
  return async (one) => {
    if (authorities.length === 0) return null;
    // Verifying hundreds of signatures must not keep everybody else waiting.
    await turn();
    const alone = onlyThis(one, reading);
    for (const format of formats) {
      const findings = await format.verify({ repository, digest: subject }, alone, authorities);
      const valid = findings.find((finding) => finding.status === 'valid');
      // What one key says of another name is another signature: none of the two pushes the other out.
      const { repository: name = '', tag = '' } = valid?.signed ?? {};
      if (valid !== undefined) return `${valid.authority} ${valid.keyId} ${name}:${tag}`;
    }
    return null;
  };
}

/** The evidence as if there were only this one piece of it, whatever a list says that it is. */
function onlyThis(one: OneEvidence, source: EvidenceSource): Evidence {
  const descriptors: Descriptor[] = [];
  if (one.kind === 'referrer') {
    const { mediaType, digest, size } = one.descriptor;
    descriptors.push({ mediaType, digest, size });
  }
  return {
    blob: (digest, maxBytes) => source.blob(digest, maxBytes),
    async manifest(reference) {
      if (one.kind === 'tagged') return reference === one.tag ? one.artifact : null;
      return reference === one.descriptor.digest ? source.manifest(reference) : null;
    },
    referrers: async () => ({ descriptors, complete: true }),
    trustData: async () => null,
  };
}
