import { CountersignError } from '../../lib/errors.ts';
import { isArray, isObject, parseJson } from '../../lib/json.ts';
import { printable } from '../../oci/refusal.ts';
import type { FaultName } from '../../tuf/update-refusal.ts';

/** What a Notary server said about a request that it refused (dct-protocol 1.3). */
export interface NotaryError {
  /** `VERSION`, `INVALID_UPDATE`, …; empty where the body was none of Notary's. */
  readonly code: string;
  readonly message: string;
  /** What was wrong with the update, as docker prints it; `null` where the server did not say. */
  readonly fault: string | null;
}

const BODY_BYTES = 64 * 1024;
// As notary's client prints them.
const FAULTS: Readonly<Record<FaultName, string>> = {
  ErrValidation: 'An error occurred during validation',
  ErrBadHierarchy: 'Metadata hierarchy is incomplete',
  ErrBadRoot: 'The root metadata is invalid',
  ErrBadTargets: 'The targets metadata is invalid',
  ErrBadSnapshot: 'The snapshot metadata is invalid',
};

/** Reads the first error of an answer's body; one without code where there is none. */
export function parseNotaryError(body: Uint8Array): NotaryError {
  const nothing = { code: '', message: '', fault: null };
  const parsed = parseJson(body, { maxBytes: BODY_BYTES });
  const errors = parsed.ok && isObject(parsed.value) ? parsed.value['errors'] : undefined;
  const first = isArray(errors) ? errors[0] : undefined;
  if (!isObject(first)) return nothing;
  const { code, message, detail } = first;
  const name = isObject(detail) ? detail['Name'] : undefined;
  const error = isObject(detail) ? detail['Error'] : undefined;
  const said = isObject(error) ? error['Msg'] : undefined;
  const known = typeof name === 'string' && Object.hasOwn(FAULTS, name);
  return {
    code: typeof code === 'string' ? printable(code) : '',
    message: typeof message === 'string' ? printable(message) : '',
    fault:
      known && typeof said === 'string' ? `${FAULTS[name as FaultName]}: ${printable(said)}` : null,
  };
}

/** True where a server may only have been overtaken: by another publisher, or, on PostgreSQL, by its own database (dct-protocol 1.3, BUG). */
export function isConflict({ code }: NotaryError): boolean {
  return code === 'VERSION' || code === 'UPDATING';
}

/** The error to throw for an update that the server refused, in the words that docker prints. */
export function updateRefused(host: string, error: NotaryError): CountersignError {
  const why =
    error.fault ??
    (error.code === 'INVALID_GUN' ? error.message : 'trust server rejected operation.');
  return new CountersignError('TRUST_UPDATE_REFUSED', `${host} refused the trust data: ${why}`);
}
