import type { Digest } from '../../src/oci/digest.ts';
import type { Repository } from '../../src/oci/reference.ts';
import { decide } from '../../src/policy/decide.ts';
import type { Decision, DecisionSubject } from '../../src/policy/decision.ts';
import type { Governing, Judging, Policy, SignatureRule } from '../../src/policy/policy.ts';
import type { Finding } from '../../src/trust/format.ts';

export const NOW = new Date('2026-06-01T00:00:00Z');
export const HOUR = 3_600_000;
export const DAY = 24 * HOUR;
export const REPOSITORY = 'registry.example.com/prod/app' as Repository;
export const DIGEST = `sha256:ab12cd34ef56${'0'.repeat(52)}` as Digest;
export const SUBJECT: DecisionSubject = {
  action: 'pull',
  repository: REPOSITORY,
  digest: DIGEST,
  tag: '1.2',
  revocations: [],
};
export const IMAGE = 'registry.example.com/prod/app:1.2 (sha256:ab12cd34ef56)';

export const rule = (more: Partial<SignatureRule> = {}): SignatureRule => ({
  by: ['release-bot', 'security'],
  atLeast: 2,
  formats: ['cosign'],
  maxAge: null,
  roots: [],
  ...more,
});

/** A policy that asks for a signature by two authorities, and has the defaults of everything else. */
export const policyWith = (more: Partial<Policy> = {}): Policy => ({
  name: 'production',
  images: [],
  mode: 'enforce',
  push: 'reject',
  tags: 'registry',
  require: [rule()],
  signedAs: [],
  bindTag: false,
  digests: 'any',
  roots: [],
  blobs: 'open',
  delete: 'deny',
  holdFor: 1,
  authGrace: 0,
  exceptions: [],
  floor: false,
  source: 'p.yaml:1',
  ...more,
});

export const judging = (more: Partial<Policy> = {}): Judging => ({
  policy: policyWith(more),
  signedNames: [REPOSITORY],
});

export const governing = (
  more: Partial<Policy> = {},
  ...floors: readonly Partial<Policy>[]
): Governing => ({
  ...judging(more),
  floors: floors.map((floor) => judging({ name: 'baseline', floor: true, ...floor })),
  revision: 'r1',
});

export const signed = (authority: string, more: Partial<Finding> = {}): Finding => ({
  format: 'cosign',
  authority,
  keyId: `key of ${authority}`,
  status: 'valid',
  reason: 'verified',
  signed: { repository: REPOSITORY, tag: '1.2' },
  signedAt: { time: new Date(NOW.getTime() - HOUR), trusted: false },
  evidence: null,
  annotations: {},
  ...more,
});
export const unreadable = (more: Partial<Finding> = {}): Finding => ({
  ...signed('x'),
  authority: null,
  keyId: null,
  status: 'inconclusive',
  reason: 'the registry did not answer',
  signed: null,
  signedAt: null,
  ...more,
});
export const BOTH = [signed('release-bot'), signed('security')];

export const verdict = (decision: Decision): string =>
  `${decision.decision} ${decision.reason.code}`;
export const judge = (
  policy: Governing | null,
  findings: readonly Finding[],
  subject: Partial<DecisionSubject> = {},
  now = NOW,
): Decision => decide(policy, { ...SUBJECT, ...subject }, findings, now);
