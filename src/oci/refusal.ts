import { decodeUtf8 } from '../lib/bytes.ts';
import type { ErrorCode } from '../lib/errors.ts';
import { CountersignError } from '../lib/errors.ts';
import type { Json } from '../lib/json.ts';
import { isArray, isObject, parseJson } from '../lib/json.ts';
import type { Answer } from './answer.ts';
import { essence } from './manifest.ts';

const ERROR_BODY_BYTES = 64 * 1024;
const MESSAGE_LENGTH = 400;

/** Text from outside made fit for one line of a terminal: no control or direction characters, bounded. */
export function printable(text: string): string {
  const clean = text
    .slice(0, 4 * MESSAGE_LENGTH)
    // oxlint-disable-next-line no-control-regex -- control characters are what is taken out
    .replaceAll(/[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]+/g, ' ')
    .trim();
  return clean.length > MESSAGE_LENGTH ? `${clean.slice(0, MESSAGE_LENGTH - 1)}…` : clean;
}

interface ServerError {
  readonly code: string | undefined;
  readonly message: string;
}

// The OCI error codes that say more than the status (distribution-spec, "Error Codes").
const CODES: ReadonlySet<string> = new Set<ErrorCode>([
  'MANIFEST_INVALID',
  'MANIFEST_BLOB_UNKNOWN',
  'MANIFEST_UNKNOWN',
  'BLOB_UNKNOWN',
  'BLOB_UPLOAD_INVALID',
  'BLOB_UPLOAD_UNKNOWN',
  'DIGEST_INVALID',
  'NAME_INVALID',
  'NAME_UNKNOWN',
  'TAG_INVALID',
  'SIZE_INVALID',
  'UNSUPPORTED',
]);
const isKnown = (code: string): code is ErrorCode => CODES.has(code);

function codeFor(status: number, code: string | undefined): ErrorCode {
  if (status === 401) return 'UNAUTHENTICATED';
  if (status === 403) return 'FORBIDDEN';
  if (status === 429 || status >= 500) return 'UPSTREAM_UNAVAILABLE';
  if (status === 413) return 'TOO_LARGE';
  if (status >= 400 && status < 500 && code !== undefined && isKnown(code)) return code;
  return 'UPSTREAM_INVALID';
}

/**
 * Turns an answer that is no success into the error to throw, with the server's own message, so that
 * a person reads the gate's reason. `doing` says what was being done: `pushing a manifest`.
 */
export async function refusalOf(answer: Answer, doing: string): Promise<CountersignError> {
  const said = await serverError(answer);
  const code = codeFor(answer.status, said.code);
  const reason = said.message === '' ? '' : `: ${said.message}`;
  switch (code) {
    case 'FORBIDDEN':
      return new CountersignError(code, `${answer.host} refused ${doing}${reason}`);
    case 'UNAUTHENTICATED':
      return new CountersignError(
        code,
        `${answer.host} wants a login, or another one, for ${doing}${reason}; log in with: docker login ${answer.host}`,
      );
    case 'UPSTREAM_UNAVAILABLE':
      return new CountersignError(
        code,
        `${answer.host} could not answer (${answer.status}) ${doing}${reason}`,
      );
    default:
      return new CountersignError(
        code,
        `${answer.host} answered ${answer.status} to ${doing}${reason}`,
      );
  }
}

async function serverError(answer: Answer): Promise<ServerError> {
  let body: Buffer;
  try {
    body = await answer.read(ERROR_BODY_BYTES);
  } catch {
    return { code: undefined, message: reasonPhrase(answer) };
  }
  const first = firstError(body);
  if (first !== undefined) return first;
  const isText = essence(answer.header('content-type') ?? '') === 'text/plain';
  const line = isText ? printable((decodeUtf8(body) ?? '').split('\n', 1)[0] ?? '') : '';
  return { code: undefined, message: line === '' ? reasonPhrase(answer) : line };
}

// A HEAD has no body: the gate says why in the reason phrase as well.
function reasonPhrase(answer: Answer): string {
  return printable(answer.reasonPhrase);
}

function firstError(body: Uint8Array): ServerError | undefined {
  const parsed = parseJson(body, { maxBytes: ERROR_BODY_BYTES });
  if (!parsed.ok || !isObject(parsed.value)) return undefined;
  const errors = parsed.value['errors'];
  const first: Json | undefined = isArray(errors) ? errors[0] : undefined;
  if (!isObject(first)) return undefined;
  const { code, message, detail } = first;
  const parts = [message, detail].filter((part) => typeof part === 'string').filter(Boolean);
  return {
    code: typeof code === 'string' ? code : undefined,
    message: printable(parts.length > 0 ? parts.join(' - ') : typeof code === 'string' ? code : ''),
  };
}

/**
 * True where a 404 surely comes from a registry and means "there is none": an OCI error body, an
 * empty body, or the registry's own header. A page of some proxy in between proves nothing.
 */
export async function isSure404(answer: Answer): Promise<boolean> {
  const body = await answer.read(ERROR_BODY_BYTES);
  if (body.byteLength === 0 || firstError(body) !== undefined) return true;
  return answer.header('docker-distribution-api-version') !== undefined;
}
