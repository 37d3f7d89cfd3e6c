import type { ServerResponse } from 'node:http';

/** Notary's errors: their status, and their messages word for word (dct-protocol 1.3). */
const NOTARY_ERRORS = {
  MALFORMED_UPLOAD: [400, 'The body of your request is malformed.'],
  NO_FILENAME: [400, 'No file/role name provided.'],
  INVALID_ROLE: [400, 'The role you are attempting to operate on is invalid.'],
  MALFORMED_JSON: [400, 'JSON sent by the client could not be parsed by the server'],
  INVALID_UPDATE: [400, 'Update sent by the client is invalid.'],
  VERSION: [400, 'A newer version of metadata is already available.'],
  METADATA_NOT_FOUND: [404, 'You have requested metadata that does not exist.'],
  INVALID_GUN: [400, 'The server does not support actions on images of this name.'],
  INVALID_PARAMETERS: [400, 'The parameters provided are not valid.'],
  UNAUTHORIZED: [401, 'authentication required'],
  TOO_LARGE: [413, 'The body of your request is malformed.'],
} as const satisfies Record<string, readonly [number, string]>;

/** A code of dct-protocol 1.3; `TOO_LARGE` is told as MALFORMED_UPLOAD. */
export type NotaryErrorCode = keyof typeof NOTARY_ERRORS;

/** What an error says besides its code. */
export type NotaryDetail = string | object | undefined;

/** Clients read 1024 bytes of an error, and of what is longer not even the code. */
const MAX_BODY = 1000;

/** The body of an error: one error, under 1 KiB, a line (dct-protocol 1.3). Long texts of the detail are cut. */
export function notaryErrorBody(code: NotaryErrorCode, detail?: NotaryDetail): string {
  const shown = code === 'TOO_LARGE' ? 'MALFORMED_UPLOAD' : code;
  const [, message] = NOTARY_ERRORS[code];
  for (let most = 512; ; most = Math.floor(most / 2)) {
    const short = detail === undefined ? {} : { detail: shortened(detail, most) };
    const body = `${JSON.stringify({ errors: [{ code: shown, message, ...short }] })}\n`;
    if (Buffer.byteLength(body) <= MAX_BODY || most === 0) return body;
  }
}

/** The detail with every text cut to so many characters; members stay, for clients need them. */
function shortened(detail: string | object, most: number): string | object {
  const cut = (_name: string, value: unknown): unknown =>
    typeof value === 'string' && value.length > most ? `${value.slice(0, most)}…` : value;
  return JSON.parse(JSON.stringify(detail, cut)) as string | object;
}

/** Sends an error of the protocol. */
export function sendNotaryError(
  response: ServerResponse,
  code: NotaryErrorCode,
  options: {
    readonly detail?: NotaryDetail;
    readonly headers?: Readonly<Record<string, string | string[]>>;
  } = {},
): void {
  const body = notaryErrorBody(code, options.detail);
  response.writeHead(NOTARY_ERRORS[code][0], {
    'content-type': 'application/json; charset=utf-8',
    'content-length': Buffer.byteLength(body),
    'cache-control': 'no-store',
    ...options.headers,
  });
  response.end(body);
}
