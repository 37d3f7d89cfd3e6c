import { quote } from '../lib/quote.ts';
import type { Result } from '../lib/result.ts';
import { ok, refuse } from '../lib/result.ts';
import { isLoopbackHost } from './tls.ts';

// Parents whose names belong to strangers of each other: a sibling there proves no kinship. Country
// registries' second levels (co.uk, com.au, …) are told by their shape.
const SHARED_PARENTS = new Set([
  'amazonaws.com',
  'appspot.com',
  'azurecr.io',
  'azurewebsites.net',
  'cloudapp.net',
  'cloudfront.net',
  'duckdns.org',
  'fly.dev',
  'github.io',
  'gitlab.io',
  'herokuapp.com',
  'netlify.app',
  'ngrok.io',
  'onrender.com',
  'pages.dev',
  'pkg.dev',
  'run.app',
  'trycloudflare.com',
  'vercel.app',
  'workers.dev',
]);

/**
 * Decides whether tokens may be asked for at a challenge's `realm` (CVE-2026-33540, CVE-2026-48978: a
 * registry names an attacker's realm and is sent the password). Accepted is HTTPS at the registry's
 * own host, a host below it, the parent it hangs on, a sibling under that parent, or a host that
 * `allowed` lists. Plain HTTP only at the very origin of a loopback registry that is plain HTTP itself.
 */
export function acceptRealm(
  realm: string,
  registry: { readonly host: string; readonly origin: URL },
  allowed: readonly string[],
): Result<URL> {
  const url = URL.canParse(realm) ? new URL(realm) : undefined;
  if (url === undefined || url.username !== '' || url.password !== '') {
    return refuse(
      'UPSTREAM_INVALID',
      `expected ${registry.host} to name a token server's address, found ${quote(realm, 120)}`,
    );
  }
  if (url.origin === registry.origin.origin) {
    return url.protocol === 'https:' || isLoopbackHost(url.host) ? ok(url) : insecure(url);
  }
  if (url.protocol !== 'https:') {
    const listed =
      allowed.includes(url.host) && isLoopbackHost(url.host) && isPlain(registry.origin);
    return listed ? ok(url) : insecure(url);
  }
  const known =
    allowed.includes(url.host) ||
    isKin(url.hostname, registry.origin.hostname) ||
    isKin(url.hostname, registry.host.replace(/:[0-9]+$/, ''));
  if (known) return ok(url);
  return refuse(
    'FORBIDDEN',
    `${registry.host} sends logins to ${url.host}, which is not its own; if that is right, allow it with --auth-host ${url.host}`,
  );
}

function isPlain(origin: URL): boolean {
  return origin.protocol === 'http:';
}

function insecure(url: URL): Result<never> {
  return refuse(
    'FORBIDDEN',
    `expected the token server over https, found ${url.origin}: no login is sent there`,
  );
}

function isKin(realm: string, registry: string): boolean {
  if (realm === registry || realm.endsWith(`.${registry}`)) return true;
  // An address has no parent.
  if (/^[0-9.]+$|^\[/.test(registry)) return false;
  const parent = registry.slice(registry.indexOf('.') + 1);
  const labels = parent.split('.');
  const isShared =
    !registry.includes('.') ||
    labels.length < 2 ||
    SHARED_PARENTS.has(parent) ||
    (labels.length === 2 && /^[a-z]{1,3}\.[a-z]{2}$/.test(parent));
  return !isShared && (realm === parent || realm.endsWith(`.${parent}`));
}
