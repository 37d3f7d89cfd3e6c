import { sha256Hex } from '../../lib/bytes.ts';
import { isCount, isObject, parseJson } from '../../lib/json.ts';

/** Who asks: made by `http/` from the connection and the Authorization header, and from nothing else. */
export interface Caller {
  /** The authenticated name, or `anonymous`. Without `identities` the name is what upstream will judge, not us. */
  readonly name: string;
  /** True where the gate's own identities vouch for the name. */
  readonly authenticated: boolean;
  /** The client's Authorization header, passed on only where the gate has no identities of its own. */
  readonly authorization: string | null;
  /** Stands for the credential in cache keys; never the credential itself. */
  readonly credentialKey: string;
  /** When the credential ends, as a token says of itself, in ms: nothing that upstream answered to it is remembered for longer. */
  readonly expiresAt?: number;
  /** Where the connection comes from; nothing for the service itself. */
  readonly address?: string;
  /** True where the connection comes from a loopback address. */
  readonly loopback: boolean;
}

/** The service itself, for what it does unasked (promotions after a restart, sweeps). */
export const SERVICE: Caller = {
  name: 'countersign',
  authenticated: true,
  authorization: null,
  credentialKey: 'service',
  loopback: false,
};

/** A cache key for an Authorization header: equal for equal headers, telling nothing about them. */
export function credentialKey(authorization: string | null): string {
  return authorization === null ? 'none' : sha256Hex(authorization);
}

const TOKEN_BYTES = 16 * 1024;

/**
 * When a bearer token ends by its own `exp` (RFC 7519 section 4.1.4), in ms; `null` where it does not
 * say. Nobody has verified the token here, so this may only ever shorten what is remembered for it.
 */
export function tokenExpiry(authorization: string | null): number | null {
  const match = /^bearer [\w-]+\.([\w-]+)\.[\w-]*$/i.exec(
    authorization?.slice(0, TOKEN_BYTES) ?? '',
  );
  if (match === null) return null;
  const claims = parseJson(Buffer.from(match[1] as string, 'base64url'), { maxBytes: TOKEN_BYTES });
  const exp = claims.ok && isObject(claims.value) ? claims.value['exp'] : undefined;
  return isCount(exp) ? exp * 1000 : null;
}
