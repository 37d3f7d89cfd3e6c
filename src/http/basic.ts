import { decodeBase64, decodeUtf8 } from '../lib/bytes.ts';

/** Longest name of an identity, in characters. */
export const NAME_LENGTH = 128;
/** bcrypt looks at 72 bytes only: a longer password would be known by its beginning. */
const PASSWORD_BYTES = 72;

/** A name and a password as a client sends them. */
export interface Login {
  readonly name: string;
  readonly password: string;
}

/** What is wrong with a login that is none, mended by a login. */
const wanted = (what: string): string =>
  `this needs an identity: log in first (docker login); expected ${what}`;

/**
 * Reads an Authorization header of the Basic scheme (RFC 7617) strictly: canonical base64, UTF-8, and
 * no more than could be right. `null` where neither name nor password is in it, which is what podman and
 * skopeo send to a Basic challenge when they are not logged in. Returns why it is none otherwise;
 * nothing of the header is repeated.
 */
export function parseBasic(header: string): Login | string | null {
  const encoded = /^basic +([A-Za-z0-9+/]+={0,2})$/i.exec(header)?.[1];
  if (encoded === undefined || encoded.length > 512) {
    return wanted('a name and a password (Basic authentication)');
  }
  const bytes = decodeBase64(encoded);
  const text = bytes === undefined ? undefined : decodeUtf8(bytes);
  const colon = text?.indexOf(':') ?? -1;
  if (text === ':') return null;
  if (text === undefined || colon < 1) {
    return wanted('a name, a colon and a password in UTF-8 and base64');
  }
  const name = text.slice(0, colon);
  const password = text.slice(colon + 1);
  if (name.length > NAME_LENGTH) return `expected a name of at most ${NAME_LENGTH} characters`;
  if (Buffer.byteLength(password) > PASSWORD_BYTES || password.includes('\0')) {
    return `expected a password of at most ${PASSWORD_BYTES} bytes`;
  }
  return { name, password };
}
