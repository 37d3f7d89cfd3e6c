import type { Authority, Finding } from '../trust/format.ts';
import { REPOSITORY } from '../trust/format.ts';
import { decide } from './decide.ts';
import type { Decision } from './decision.ts';
import type { FixtureSignature } from './fixture-evidence.ts';
import { REPOSITORY_KEY } from './fixture-evidence.ts';
import type { FixtureCase } from './fixture.ts';
import { govern } from './match.ts';
import type { PolicySet } from './policy.ts';

/** How one case came out. */
export interface CaseResult {
  readonly case: FixtureCase;
  readonly decision: Decision;
  /** What differs from what was expected; `null` where nothing does. */
  readonly difference: string | null;
}

/** Decides a case by the policy set, with the same functions as the gate. */
export function runCase(
  set: PolicySet,
  test: FixtureCase,
  hostAliases: readonly string[] = [],
): CaseResult {
  const governing = govern(set, test.subject.repository, hostAliases);
  const findings = test.signatures.map((signature) => findingOf(signature, set.authorities));
  const decision = decide(governing, test.subject, findings, test.now);
  return { case: test, decision, difference: differenceOf(test.expected, decision) };
}

/** What a verifier does with a signature: its key is looked up among the keys of the policy. */
function findingOf(signature: FixtureSignature, authorities: readonly Authority[]): Finding {
  const { keyId, format } = signature;
  const owner =
    keyId === REPOSITORY_KEY && format === 'dct'
      ? REPOSITORY
      : authorities.find((authority) => authority.keys.some((key) => key.id === keyId));
  if (owner !== undefined) return { ...signature, authority: owner.name };
  // A signature by no known key verifies nothing.
  const status = signature.status === 'valid' ? 'invalid' : signature.status;
  return { ...signature, status, authority: null };
}

function differenceOf(expected: FixtureCase['expected'], decision: Decision): string | null {
  const { code, message } = decision.reason;
  const found = `found ${decision.decision} ${code}: ${message}`;
  if (decision.decision !== expected.decision) return `expected ${expected.decision}, ${found}`;
  if (expected.code !== undefined && code !== expected.code) {
    return `expected ${expected.code}, ${found}`;
  }
  if (expected.message !== undefined && !message.includes(expected.message)) {
    return `expected a message with ${JSON.stringify(expected.message)}, ${found}`;
  }
  return null;
}
