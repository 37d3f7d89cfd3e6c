import type { FindingJson } from '../src/policy/decision-json.ts';
import type { ShownDecision } from './api/decisions.ts';

/** A decision for a person: the verdict and its reason first, then what it stands on. */
export function describeDecision(image: string, shown: ShownDecision): string {
  const { digest, policy, reason, record } = shown;
  const row = (label: string, text: string): string => `  ${label.padEnd(9)} ${text}`;
  return [
    `${word(shown)}  ${image}`,
    row('because', `${reason.message} (${reason.code})`),
    row('digest', digest),
    row(
      'policy',
      policy === null ? 'none' : `${policy.name}, revision ${policy.revision.slice(0, 12)}`,
    ),
    ...shown.findings.map((finding) => row(finding.status, describeFinding(finding))),
    ...(record === null ? [] : [row('record', String(record))]),
  ].join('\n');
}

/** What a policy only warns of, does not look at or excepts may be pulled, and is not trusted for that. */
function word({ decision, reason }: ShownDecision): string {
  if (decision !== 'allow') return 'denied';
  return ['WARNED', 'OFF', 'EXCEPTION'].includes(reason.code) ? 'allowed' : 'trusted';
}

function describeFinding({
  format,
  authority,
  keyId,
  reason,
  signed,
  signedAt,
}: FindingJson): string {
  const who = authority === null ? '' : `, ${authority}`;
  const key = keyId === null ? '' : ` with key ${keyId.slice(0, 12)}`;
  const tag = signed === null || signed.tag === null ? '' : `:${signed.tag}`;
  const what = signed === null ? '' : ` as ${signed.repository}${tag}`;
  const when = signedAt === null ? '' : ` at ${signedAt}`;
  return `${format}${who}: ${reason}${key}${what}${when}`;
}
