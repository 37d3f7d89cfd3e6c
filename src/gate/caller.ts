import { sha256Hex } from '../lib/bytes.ts';

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
