import type { Decision } from '../../src/policy/decision.ts';
import type { Finding } from '../../src/trust/format.ts';
import { digestFor, repo } from './store.ts';

/** A finding of a valid signature, unless told otherwise. */
export function finding(over: Partial<Finding> = {}): Finding {
  return {
    format: 'cosign',
    authority: 'release-bot',
    keyId: 'key-1',
    status: 'valid',
    reason: 'signed',
    signed: { repository: repo('app'), tag: '1.0' },
    signedAt: null,
    evidence: digestFor('payload'),
    annotations: {},
    ...over,
  };
}

/** What {@link decision} is told. */
export type DecisionFacts = Partial<Pick<Decision, 'decision' | 'findings' | 'exception'>> &
  Partial<Decision['subject']> &
  Partial<Decision['reason']>;

/** An allowed pull, unless told otherwise. */
export function decision(over: DecisionFacts = {}): Decision {
  const {
    action = 'pull',
    repository = repo('app'),
    digest = digestFor('app'),
    tag = '1.0',
  } = over;
  return {
    decision: over.decision ?? 'allow',
    subject: { action, repository, digest, tag },
    policy: { name: 'production', revision: 'rev' },
    reason: { code: over.code ?? 'TRUSTED', message: over.message ?? 'because' },
    findings: over.findings ?? [],
    validUntil: null,
    exception: over.exception ?? null,
  };
}
