import type { Clock } from '../../lib/time.ts';
import type { SignatureFormat } from '../format.ts';
import { checkArtifact, subjectOfTag } from './artifact.ts';
import { mergeCosign } from './merge.ts';
import { signCosign } from './sign.ts';
import { verifyCosign } from './verify.ts';

/**
 * cosign's classic format: simple-signing payloads as layers of a manifest under the tag
 * `sha256-<hex>.sig`. cosign 1 to 3, containers/image (podman, skopeo, CRI-O) and the older
 * admission controllers all read it, and it names repository and tag.
 */
export function cosignFormat(clock: Clock): SignatureFormat {
  return {
    name: 'cosign',
    verify: verifyCosign,
    sign: async (request, signer, sink) => signCosign(request, signer, sink, clock),
    subjectOfTag,
    checkArtifact,
    mergeArtifacts: mergeCosign,
  };
}
