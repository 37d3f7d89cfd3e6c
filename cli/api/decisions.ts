import { CountersignError } from '../../src/lib/errors.ts';
import type { Json, JsonObject } from '../../src/lib/json.ts';
import { isArray, isCount, isObject } from '../../src/lib/json.ts';
import type { RegistryClient } from '../../src/oci/client.ts';
import type { Digest } from '../../src/oci/digest.ts';
import { isDigest, shortDigest } from '../../src/oci/digest.ts';
import type { Reference } from '../../src/oci/reference.ts';
import { formatReference } from '../../src/oci/reference.ts';
import { printable } from '../../src/oci/refusal.ts';
import type { DecisionJson, FindingJson } from '../../src/policy/decision-json.ts';
import { apiObject, malformed, textOf } from './answer.ts';

/** What is shown of a decision, by whoever took it. */
export type ShownDecision = Omit<DecisionJson, 'exception' | 'validUntil'>;

/**
 * Asks the Countersign that the client talks to whether the image may be pulled. `null` where none
 * serves the host. Throws MANIFEST_UNKNOWN where there is no such image, UPSTREAM_INVALID for an
 * answer about another digest than was asked for, and what the client throws.
 */
export async function askDecision(
  client: RegistryClient,
  image: Pick<Reference, 'repository' | 'tag' | 'digest'>,
): Promise<ShownDecision | null> {
  const question = { image: formatReference(image), action: 'pull' };
  const body = apiObject(await client.api('POST', '/api/v1/decisions', question));
  if (body === null) return null;
  const decision = readDecision(body);
  if (image.digest !== undefined && decision.digest !== image.digest) {
    throw new CountersignError(
      'UPSTREAM_INVALID',
      `expected a decision on ${shortDigest(image.digest)}, found one on ${shortDigest(decision.digest)}`,
    );
  }
  return decision;
}

/**
 * Asks the Countersign that the client talks to how many bytes a manifest has that it does not serve,
 * which needs push there. `null` where none serves the host, an older one does, or the registry lacks
 * the manifest. Throws FORBIDDEN and UNAUTHENTICATED without the right, and what the client throws.
 */
export async function askSize(
  client: RegistryClient,
  image: Pick<Reference, 'repository'> & { readonly digest: Digest },
): Promise<number | null> {
  const question = { image: formatReference(image), action: 'pull', size: true };
  const answer = await client.api('POST', '/api/v1/decisions', question);
  // Versions before this question call it an unknown one.
  const body = answer.status === 400 ? null : apiObject(answer);
  const size = body?.['size'] ?? null;
  if (body === null || size === null) return null;
  // Of another image's size nothing is signed.
  if (!isCount(size) || size === 0 || body['digest'] !== image.digest) throw malformed('a size');
  return size;
}

/** Reads a decision as the API writes it. Throws UPSTREAM_INVALID for anything else. */
export function readDecision(body: JsonObject): ShownDecision {
  const { decision, reason, policy, findings, record } = body;
  const digest = textOf(body['digest']);
  // Nothing but the one word is an allow.
  if (decision !== 'allow' && decision !== 'deny') throw malformed('a decision');
  if (!isDigest(digest) || !isObject(reason)) throw malformed('a digest and a reason');
  return {
    decision,
    image: printable(textOf(body['image'])),
    digest,
    policy: isObject(policy)
      ? { name: printable(textOf(policy['name'])), revision: printable(textOf(policy['revision'])) }
      : null,
    reason: {
      code: printable(textOf(reason['code'])),
      message: printable(textOf(reason['message'])),
    },
    findings: isArray(findings) ? findings.filter(isObject).map(readFinding) : [],
    record: typeof record === 'number' ? record : null,
  };
}

function readFinding(finding: JsonObject): FindingJson {
  const { signed } = finding;
  return {
    format: printable(textOf(finding['format'])),
    authority: textOrNull(finding['authority']),
    keyId: textOrNull(finding['keyId']),
    status: printable(textOf(finding['status'])),
    reason: printable(textOf(finding['reason'])),
    signed: isObject(signed)
      ? { repository: printable(textOf(signed['repository'])), tag: textOrNull(signed['tag']) }
      : null,
    signedAt: textOrNull(finding['signedAt']),
  };
}

const textOrNull = (value: Json | undefined): string | null =>
  typeof value === 'string' ? printable(value) : null;
