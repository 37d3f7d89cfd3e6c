import type { Clock } from '../../lib/time.ts';
import type { SignatureFormat } from '../format.ts';
import { checkArtifact, subjectOfTag } from './artifact.ts';
import { mergeCosign } from './merge.ts';
import { signCosign } from './sign.ts';
import { verifyCosign } from './verify.ts';

/**
 * cosign's signatures. Written are classic ones: simple-signing payloads as layers of a manifest under
 * the tag `sha256-<hex>.sig`, which cosign 1 to 3, containers/image (podman, skopeo, CRI-O) and the
 * older admission controllers all read, and which name repository and tag. Read are these and, by
 * key, the Sigstore bundles that cosign 3 writes by default.
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
