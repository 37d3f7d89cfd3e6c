import { isCount, isObject, parseJson } from '../lib/json.ts';

// RFC 6750 section 2.1 (b64token): nothing else may go into a header.
const TOKEN_TEXT = /^[A-Za-z0-9\-._~+/]+=*$/;
/** The token specification's default life. */
const DEFAULT_SECONDS = 60;
/** Bound on a token server's answer. */
export const TOKEN_ANSWER_BYTES = 256 * 1024;

/** The Authorization header of a name and password (RFC 7617), in UTF-8. */
export function basicAuthorization(login: {
  readonly username: string;
  readonly password: string;
}): string {
  return `Basic ${Buffer.from(`${login.username}:${login.password}`, 'utf8').toString('base64')}`;
}

/** What a token server handed out. */
export interface BearerToken {
  /** The Authorization header that bears it. */
  readonly header: string;
  /** How long it lives, in seconds from its answer on. */
  readonly seconds: number;
}

/** Reads a token server's answer (distribution token specification; OAuth2's `access_token` too); `null` where it holds no token. */
export function parseTokenAnswer(bytes: Uint8Array): BearerToken | null {
  const parsed = parseJson(bytes, { maxBytes: TOKEN_ANSWER_BYTES });
  const body = parsed.ok && isObject(parsed.value) ? parsed.value : {};
  const text = body['token'] ?? body['access_token'];
  if (typeof text !== 'string' || !TOKEN_TEXT.test(text)) return null;
  const seconds = body['expires_in'];
  return {
    header: `Bearer ${text}`,
    seconds: isCount(seconds) && seconds > 0 ? seconds : DEFAULT_SECONDS,
  };
}
