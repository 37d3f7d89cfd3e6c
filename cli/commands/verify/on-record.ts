import { shortDigest } from '../../../src/oci/digest.ts';
import { formatReference } from '../../../src/oci/reference.ts';
import { decide } from '../../../src/policy/decide.ts';
import type { Decision } from '../../../src/policy/decision.ts';
import type { Governing } from '../../../src/policy/policy.ts';
import { askedOf } from '../../../src/policy/match.ts';
import { findingsOf } from '../../../src/trust/finding.ts';
import type { Authority, Finding } from '../../../src/trust/format.ts';
import { VERIFIERS } from '../../../src/trust/formats.ts';
import type { TrustData } from '../../../src/trust/dct/trust-data.ts';
import { rootSignatures } from '../../../src/tuf/root-pin.ts';

/** What an offline judgement of trust data leaves open. */
interface Open {
  readonly governing: Governing | null;
  readonly authorities: readonly Authority[];
  readonly data: TrustData | null;
  readonly now: Date;
}

/**
 * A denial that the record of the Countersign could turn into an allow is no denial offline: when a tag
 * was signed (`maxAge`), and what was signed once (`digests: any`), stand nowhere else. Such a one becomes
 * CANNOT_VERIFY, with what to ask; every other decision stays as it is. Nothing becomes an allow.
 */
export function openOffline(decision: Decision, open: Open): Decision {
  const { governing, authorities, data, now } = open;
  const { reason, subject, findings } = decision;
  const trusted = data?.current.ok === true ? data.current.value : null;
  if (reason.code !== 'NOT_TRUSTED' || governing === null || trusted === null) return decision;
  const would = (found: readonly Finding[]): boolean =>
    decide(governing, { ...subject, revocations: [] }, found, now).decision === 'allow';
  const dated = findings.map((finding) =>
    finding.format === 'dct' && finding.status === 'valid' && finding.signedAt === null
      ? { ...finding, signedAt: { time: now, trusted: true } }
      : finding,
  );
  const asked = askedOf(governing, authorities, VERIFIERS).authorities;
  const { repository, digest, tag } = subject;
  const once = asked.map(({ name }) =>
    findingsOf('dct')('valid', 'may have been signed once', {
      authority: name,
      keyId: 'on record',
      signed: { repository, tag: tag ?? 'any' },
      signedAt: { time: now, trusted: true },
      entry: {
        current: false,
        contradictedBy: [],
        standsOn: [],
        expires: trusted.expires,
        root: rootSignatures(trusted.root, trusted.gun),
      },
    }),
  );
  const why = would(dated)
    ? 'when its tag was signed'
    : would([...dated, ...once])
      ? 'whether it was signed once'
      : null;
  if (why === null) return decision;
  const image = formatReference({ repository, ...(tag === null ? { digest } : { tag }) });
  const message = `${repository} (${shortDigest(digest)}) cannot be judged offline: ${why} is on the record of its Countersign alone; ask it: countersign verify ${image}`;
  return { ...decision, reason: { code: 'CANNOT_VERIFY', message } };
}
