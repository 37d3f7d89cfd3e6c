/** The kinds of fault that Notary's clients print (dct-protocol 1.3). */
export type FaultName =
  'ErrValidation' | 'ErrBadHierarchy' | 'ErrBadRoot' | 'ErrBadTargets' | 'ErrBadSnapshot';

/** The `detail` of INVALID_UPDATE, with Notary's own member names. */
export interface UpdateFault {
  readonly Name: FaultName;
  readonly Error: { readonly Missing?: string; readonly Msg: string };
}

/** Why an upload is refused: a code of dct-protocol 1.3, all of them HTTP 400, and its `detail`. */
export type UpdateRefusal =
  | { readonly code: 'INVALID_ROLE'; readonly detail: string }
  | { readonly code: 'MALFORMED_JSON' }
  | { readonly code: 'VERSION' }
  | { readonly code: 'INVALID_UPDATE'; readonly detail: UpdateFault };

/** A step of the validation: what it found, or why the upload is refused. */
export type Step<T> = { readonly ok: true; readonly value: T } | Refused;

/** The end of the validation. */
export interface Refused {
  readonly ok: false;
  readonly refusal: UpdateRefusal;
}

/** Clients read 1024 bytes of an error body; the message leaves room for the rest of it. */
const MAX_MESSAGE = 512;

/** Refuses with INVALID_UPDATE and the fault that clients print. */
export function fault(name: FaultName, message: string, missing?: string): Refused {
  const Msg = message.length > MAX_MESSAGE ? `${message.slice(0, MAX_MESSAGE)}…` : message;
  const Error = missing === undefined ? { Msg } : { Missing: missing, Msg };
  return { ok: false, refusal: { code: 'INVALID_UPDATE', detail: { Name: name, Error } } };
}

/** Goes on with a value. */
export function step<T>(value: T): Step<T> {
  return { ok: true, value };
}
