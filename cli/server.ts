import { CountersignError } from '../src/lib/errors.ts';
import { quote } from '../src/lib/quote.ts';
import { unwrap } from '../src/lib/result.ts';
import { parseHost } from '../src/oci/reference.ts';

/**
 * The host of a `--server` (or what `what` calls it): a URL without a path, or a host. The scheme of a
 * URL is not taken over: TLS is tried first, and plain HTTP is for loopback only, as for every
 * registry. Throws USAGE.
 */
export function parseServer(text: string, what = '--server'): string {
  const bare = /^(?:https?:\/\/)?([^/?#@\s]+)\/?$/.exec(text)?.[1];
  if (bare === undefined) {
    throw new CountersignError(
      'USAGE',
      `expected ${what} to be HOST[:PORT] or https://HOST[:PORT], found ${quote(text, 120)}`,
    );
  }
  return unwrap(parseHost(bare));
}
