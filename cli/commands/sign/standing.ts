import type { RegistryClient } from '../../../src/oci/client.ts';
import type { Digest } from '../../../src/oci/digest.ts';
import type { Reference } from '../../../src/oci/reference.ts';
import { formatReference } from '../../../src/oci/reference.ts';
import type { FormatName } from '../../../src/trust/format.ts';
import type { ShownDecision } from '../../api/decisions.ts';
import { askDecision } from '../../api/decisions.ts';
import { listHolds } from '../../api/holds.ts';

/** What keeps an image that was signed just now from being pulled all the same. */
export interface Standing {
  /** `warned`: it may be pulled, only because its policy does not enforce yet. */
  readonly state: 'held' | 'denied' | 'warned';
  /** Why, in the words of the Countersign. */
  readonly reason: string;
  /** True where this key's signature counts, and others are missing: then the signer's part is done. */
  readonly counts: boolean;
  /** True where its policy asks for a format that was passed over: then not all is done that was to be. */
  readonly unfinished: boolean;
  /** What mends it, as far as the signer can. */
  readonly next: string | null;
}

/** What was signed, and by whom. */
export interface JustSigned {
  readonly image: Reference;
  readonly digest: Digest;
  readonly keyId: string;
  readonly formats: readonly FormatName[];
  /** True where somebody named the format that was to be signed. */
  readonly chosen: boolean;
}

/**
 * Why an image that was signed is not trusted all the same; `null` where it is, or where nobody tells:
 * what was signed is signed, so this never throws.
 */
export async function standingOf(
  client: RegistryClient,
  signed: JustSigned,
): Promise<Standing | null> {
  const { image, digest } = signed;
  const { repository, tag } = image;
  try {
    const holds = (await listHolds(client, { repository, digest })) ?? [];
    const held = holds.some((hold) => tag === undefined || hold.tag === tag);
    const decision = await decisionOn(client, image, digest, held);
    if (decision === null || decision.reason.code === 'CANNOT_VERIFY') return null;
    const denied = decision.decision === 'deny';
    const warned = decision.reason.code === 'WARNED';
    if (!held && !denied && !warned) return null;
    return {
      state: held ? 'held' : denied ? 'denied' : 'warned',
      // By digest it may be trusted where its tag is not (`bindTag`).
      reason: denied || warned ? decision.reason.message : MORE,
      counts: decision.reason.code !== 'REVOKED' && countsIn(decision, signed.keyId),
      unfinished: !signed.chosen && lacksDct(decision, signed),
      next: nextStep(decision, signed),
    };
  } catch {
    return null;
  }
}

const MORE = 'a signature that its policy asks for is missing';

/** On the tag, where it names what was signed by now; else on the digest. */
async function decisionOn(
  client: RegistryClient,
  { repository, tag }: Reference,
  digest: Digest,
  held: boolean,
): Promise<ShownDecision | null> {
  if (tag !== undefined && !held) {
    const byTag = await askDecision(client, { repository, tag }).catch(() => null);
    if (byTag?.digest === digest) return byTag;
  }
  return askDecision(client, { repository, digest });
}

function countsIn({ findings }: ShownDecision, key: string): boolean {
  return findings.some(({ status, keyId }) => status === 'valid' && keyId === key);
}

function lacksDct({ reason, findings }: ShownDecision, { formats }: JustSigned): boolean {
  if (reason.code === 'REVOKED' || formats.includes('dct')) return false;
  return findings.some(({ format }) => format === 'dct');
}

function nextStep(decision: ShownDecision, signed: JustSigned): string | null {
  const { image, digest } = signed;
  const { repository, tag } = image;
  if (decision.reason.code === 'REVOKED')
    return `no signature mends a revocation: countersign revoke --undo takes one back`;
  if (!lacksDct(decision, signed)) return null;
  const command = 'countersign sign --format dct';
  return tag === undefined
    ? `its policy asks for dct, which signs tags: ${command} ${repository}:TAG@${digest}`
    : `its policy asks for dct: ${command} ${formatReference({ repository, tag, digest })}`;
}
