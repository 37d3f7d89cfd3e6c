import type { PublicKey } from '../../keys/key.ts';
import { verifySignature } from '../../keys/verify.ts';
import { LIMITS } from '../../lib/limits.ts';
import { mapParallel } from '../../lib/parallel.ts';
import { shortDigest } from '../../oci/digest.ts';
import type { Authority, EvidenceSource, Finding, Subject } from '../format.ts';
import type { SignedPayload, Unread } from './evidence.ts';
import { reading, readLayer } from './evidence.ts';
import { parseSignatureManifest } from './manifest.ts';
import { signatureTag } from './names.ts';
import { parsePayload } from './payload.ts';

// Payloads fetched at a time; cosign's own bound is 10.
const WIDTH = 8;
// Findings kept of what does not count: enough to act on, too few to flood the record.
const INVALID_FINDINGS = 8;

type Status = Finding['status'];

const finding = (status: Status, reason: string, more: Partial<Finding> = {}): Finding => ({
  format: 'cosign',
  authority: null,
  keyId: null,
  status,
  reason,
  signed: null,
  signedAt: null,
  evidence: null,
  annotations: {},
  ...more,
});

/**
 * Finds the classic cosign signatures of the subject and verifies them with the authorities' keys.
 * One finding for each (payload, key) that holds; at most a few for what does not; one
 * `absent` where there is no signature; one `inconclusive` for all that could not be read.
 */
export async function verifyCosign(
  subject: Subject,
  source: EvidenceSource,
  authorities: readonly Authority[],
): Promise<readonly Finding[]> {
  const tag = signatureTag(subject.digest);
  if (tag === null) return [finding('absent', 'cosign keeps no signatures for sha512 digests')];
  const answer = await reading(() => source.manifest(tag));
  if ('unread' in answer) {
    return [finding('inconclusive', `signatures could not be read: ${answer.unread}`)];
  }
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
    if (!read.ok) return finding('invalid', read.refusal.message);
    return judge(subject, read.value, authorities);
  });
  return summarise(judged, layers.length);
}

/** Raw bytes first: nothing in the payload is looked at before a trusted key has verified it. */
function judge(
  subject: Subject,
  signed: SignedPayload,
  authorities: readonly Authority[],
): Finding {
  const signer = signerOf(signed, authorities);
  const evidence = signed.digest;
  if (signer === undefined) {
    return finding('invalid', 'no known key verifies this signature', { evidence });
  }
  const by = { authority: signer.authority.name, keyId: signer.key.id, evidence };
  const payload = parsePayload(signed.payload);
  if (!payload.ok) return finding('invalid', payload.refusal.message, by);
  const { digest, repository, tag, timestamp, annotations } = payload.value;
  if (digest !== subject.digest) {
    return finding('invalid', `the signature is for ${shortDigest(digest)}, another image`, by);
  }
  return finding('valid', `signed by ${signer.authority.name}`, {
    ...by,
    signed: { repository, tag },
    signedAt: timestamp === null ? null : { time: new Date(timestamp * 1000), trusted: false },
    annotations,
  });
}

function signerOf(
  signed: SignedPayload,
  authorities: readonly Authority[],
): { readonly authority: Authority; readonly key: PublicKey } | undefined {
  for (const authority of authorities) {
    const key = authority.keys.find((candidate) =>
      verifySignature(candidate, signed.payload, signed.signature),
    );
    if (key !== undefined) return { authority, key };
  }
  return undefined;
}

function summarise(judged: readonly (Finding | Unread)[], total: number): readonly Finding[] {
  const valid = new Map<string, Finding>();
  const invalid: Finding[] = [];
  const unread: string[] = [];
  for (const one of judged) {
    if ('unread' in one) unread.push(one.unread);
    // ECDSA signatures are malleable: what counts once is the payload and who signed it, never the signature's bytes.
    else if (one.status === 'valid') valid.set(`${one.evidence} ${one.keyId}`, one);
    else invalid.push(one);
  }
  const out = [...valid.values(), ...invalid.slice(0, INVALID_FINDINGS)];
  const dropped = invalid.length - INVALID_FINDINGS;
  if (dropped > 0) out.push(finding('invalid', `${dropped} more signatures do not count`));
  if (total > LIMITS.signatures) {
    out.push(
      finding(
        'invalid',
        `expected at most ${LIMITS.signatures} signatures, found ${total}; the others were not looked at`,
      ),
    );
  }
  if (unread.length > 0) {
    out.push(
      finding('inconclusive', `${unread.length} signatures could not be read: ${unread[0]}`),
    );
  }
  return out;
}
