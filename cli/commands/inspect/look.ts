import { CountersignError } from '../../../src/lib/errors.ts';
import type { RegistryClient } from '../../../src/oci/client.ts';
import type { Digest } from '../../../src/oci/digest.ts';
import type { Reference } from '../../../src/oci/reference.ts';
import { formatReference } from '../../../src/oci/reference.ts';
import type { FindingJson } from '../../../src/policy/decision-json.ts';
import { findingJson } from '../../../src/policy/decision-json.ts';
import type { Authority } from '../../../src/trust/format.ts';
import { FORMATS } from '../../../src/trust/formats.ts';
import { askDecision } from '../../api/decisions.ts';
import { noTrustServer } from '../verify/trust-data.ts';

/** A signature that a known key verified. */
export interface KnownSignature {
  readonly signer: string;
  readonly keyId: string;
  readonly format: string;
  /** What it says it signed. */
  readonly repository: string | null;
  readonly tag: string | null;
  /** RFC 3339, as the signer says. */
  readonly signedAt: string | null;
}

/** What is known of one tag or digest. */
export interface Inspected {
  readonly tag: string | null;
  readonly digest: Digest;
  readonly signatures: readonly KnownSignature[];
  /** Signatures that no known key verified, or that are malformed. */
  readonly others: number;
  /** What could not be read. */
  readonly problems: readonly string[];
}

/** Looks at one image; `null` where the registry has none of that name. */
export type Look = (image: Reference) => Promise<Inspected | null>;

/** Looks at the registry's signatures with keys given here. */
export function lookWithKeys(client: RegistryClient, authorities: readonly Authority[]): Look {
  return async (image) => {
    const tag = image.digest === undefined ? (image.tag ?? 'latest') : null;
    const found = await client.manifest(image.path, image.digest ?? tag ?? '');
    if (found === null) return null;
    const subject = { repository: image.repository, digest: found.digest };
    const source = { ...client.evidence(image.path), trustData: noTrustServer };
    const findings = await Promise.all(
      FORMATS.map(async (format) => format.verify(subject, source, authorities)),
    );
    return inspected(tag, found.digest, findings.flat().map(findingJson));
  };
}

/** Asks the Countersign in front of the registry, which knows the names of its signers. */
export function lookAtServer(client: RegistryClient): Look {
  return async (image) => {
    const decision = await askDecision(client, image);
    if (decision === null) {
      throw new CountersignError(
        'CANNOT_VERIFY',
        `${client.host} is no Countersign, so nobody knows whose keys are trusted for ${formatReference(image)}; give --policies DIR or --key FILE, or name one with --server URL`,
      );
    }
    const tag = image.digest === undefined ? (image.tag ?? 'latest') : null;
    return inspected(tag, decision.digest, decision.findings);
  };
}

function inspected(
  tag: string | null,
  digest: Digest,
  findings: readonly FindingJson[],
): Inspected {
  const signatures = findings.flatMap((finding): KnownSignature[] => {
    const { status, authority, keyId, format, signed, signedAt } = finding;
    if (status !== 'valid' || authority === null || keyId === null) return [];
    const { repository = null, tag: signedTag = null } = signed ?? {};
    return [{ signer: authority, keyId, format, repository, tag: signedTag, signedAt }];
  });
  return {
    tag,
    digest,
    signatures,
    others: findings.filter((finding) => finding.status === 'invalid').length,
    problems: findings.flatMap(({ status, reason }) => (status === 'inconclusive' ? [reason] : [])),
  };
}
