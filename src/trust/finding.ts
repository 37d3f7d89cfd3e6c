import type { Finding, FormatName } from './format.ts';

/** Makes a finding; what is not said of it is nothing. */
export type MakeFinding = (
  status: Finding['status'],
  reason: string,
  more?: Partial<Finding>,
) => Finding;

/** Makes the findings of one format: about nothing in particular, unless `more` says what. */
export function findingsOf(format: FormatName): MakeFinding {
  return (status, reason, more = {}) => ({
    format,
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
}
