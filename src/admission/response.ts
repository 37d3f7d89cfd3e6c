import { ERRORS } from '../lib/errors.ts';
import type { ErrorCode } from '../lib/errors.ts';
import { plain } from '../policy/message.ts';
import type { Admission, JudgedUse } from './admit.ts';
import { plainLines } from './lines.ts';

/** What the API server is answered (admission.k8s.io/v1 `AdmissionResponse`), and what to log of it. */
export interface AdmissionAnswer {
  readonly allowed: boolean;
  /** Why not, as a code of the error table; `null` where it is allowed. */
  readonly code: ErrorCode | null;
  readonly message: string;
  readonly body: Readonly<Record<string, unknown>>;
}

/** A warning that is longer is cut by the API server, and more text than this is dropped by it. */
const WARNING_CHARS = 256;
const WARNINGS_CHARS = 4096;
/** Longest message and longest audit annotation. */
const TEXT_CHARS = 4096;

/** Builds the AdmissionReview that answers `uid`. Allowed is what every single image was; all else is denied. */
export function answerOf(uid: string, admission: Admission): AdmissionAnswer {
  if (admission.kind === 'refused') return denied(uid, admission.code, admission.message, {});
  const { images } = admission;
  const annotations = annotationsOf(images);
  const refusals = images.flatMap(({ use, verdict }) =>
    verdict.allowed ? [] : [{ code: verdict.code, line: `${use.label}: ${verdict.message}` }],
  );
  const [first] = refusals;
  if (first !== undefined) {
    // A refusal that no retry changes comes before one that a retry may.
    const code = refusals.find((one) => !isDoubt(one.code))?.code ?? first.code;
    const lines = refusals.map((one) => one.line);
    return denied(uid, code, plainLines(lines, TEXT_CHARS), annotations);
  }
  const patch = images.flatMap(({ use, verdict }) =>
    verdict.allowed && verdict.pinned !== null
      ? [{ op: 'replace', path: use.pointer, value: verdict.pinned }]
      : [],
  );
  const warnings = warningsOf(images);
  const response = {
    uid,
    allowed: true,
    ...(patch.length === 0
      ? {}
      : {
          patchType: 'JSONPatch',
          patch: Buffer.from(JSON.stringify(patch)).toString('base64'),
        }),
    ...(warnings.length === 0 ? {} : { warnings }),
    ...(Object.keys(annotations).length === 0 ? {} : { auditAnnotations: annotations }),
  };
  return { allowed: true, code: null, message: '', body: enveloped(response) };
}

/** Denies: 403 where the answer is no, 503 where it could not be found out. */
function denied(
  uid: string,
  code: ErrorCode,
  message: string,
  auditAnnotations: Readonly<Record<string, string>>,
): AdmissionAnswer {
  const status = {
    status: 'Failure',
    code: isDoubt(code) ? 503 : 403,
    reason: isDoubt(code) ? 'ServiceUnavailable' : 'Forbidden',
    message,
  };
  const body = enveloped({ uid, allowed: false, status, auditAnnotations });
  return { allowed: false, code, message, body };
}

const enveloped = (response: object): Readonly<Record<string, unknown>> => ({
  apiVersion: 'admission.k8s.io/v1',
  kind: 'AdmissionReview',
  response,
});

const isDoubt = (code: ErrorCode): boolean => ERRORS[code].exit === 3;

function warningsOf(images: readonly JudgedUse[]): readonly string[] {
  const warnings: string[] = [];
  let left = WARNINGS_CHARS;
  for (const { use, verdict } of images) {
    if (!verdict.allowed) continue;
    for (const text of verdict.warnings) {
      const warning = plain(`${use.label}: ${text}`, Math.min(WARNING_CHARS, left));
      left -= warning.length;
      if (left < 0 || warning === '') return warnings;
      warnings.push(warning);
    }
  }
  return warnings;
}

/** What each image stood on, for the cluster's audit log: digest, policy, reason and record. */
function annotationsOf(images: readonly JudgedUse[]): Readonly<Record<string, string>> {
  if (images.length === 0) return {};
  const lines = images.map(({ use, verdict }) => `${use.label}: ${verdict.standsOn}`);
  return { images: plainLines(lines, TEXT_CHARS) };
}
