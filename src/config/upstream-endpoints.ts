import type { Endpoint } from '../gate/upstream/upstream.ts';
import { isLoopback } from '../lib/loopback.ts';
import type { RegistryConfig } from './config.ts';
import type { Problems } from './problems.ts';
import { shownAddress } from './shown-address.ts';
import type { EndpointTls } from './upstream-tls.ts';
import type { Written } from './written.ts';

/** Origins that blobs may be fetched from; more is a mistake. */
const MAX_STORAGE = 16;

/** Reads `realm`: where tokens are asked for, and nowhere else (T-71). `null` where it is not set; what is wrong is collected. */
export async function readRealm(
  written: Written | undefined,
  upstream: RegistryConfig['upstream'] | undefined,
  tls: EndpointTls,
  problems: Problems,
): Promise<Endpoint | null> {
  if (written === undefined) return null;
  const bad = (message: string): null => {
    problems.add(written.at, message);
    return null;
  };
  if (upstream === 'embedded') return bad('expected no realm for the embedded registry');
  const url = endpoint(written.text);
  if (url === null || url.search !== '')
    return bad(
      `expected the https:// address of a token server as realm, such as https://auth.example.com/token, found ${shownAddress(written.text)}`,
    );
  // CVE-2019-10214: a token is as good as a password, on both of its ways.
  if (upstream?.protocol === 'http:' && !isLoopback(upstream.hostname))
    return bad(`expected an https:// upstream where tokens are sent, found ${upstream.origin}`);
  return { url, tls: await tls(url) };
}

/** Reads `storage`: the origins that upstream's redirects of blobs are followed to. What is wrong is collected. */
export async function readStorage(
  written: readonly Written[] | undefined,
  upstream: RegistryConfig['upstream'] | undefined,
  tls: EndpointTls,
  problems: Problems,
): Promise<readonly Endpoint[]> {
  const out: Endpoint[] = [];
  for (const { text, at } of written?.slice(0, MAX_STORAGE) ?? []) {
    const url = endpoint(text);
    if (upstream === 'embedded') problems.add(at, 'expected no storage for the embedded registry');
    else if (url === null || url.pathname !== '/' || url.search !== '')
      problems.add(
        at,
        `expected https:// with host and port only as storage, such as https://bucket.example.com, found ${shownAddress(text)}`,
      );
    else out.push({ url, tls: await tls(url) });
  }
  const [extra] = written?.slice(MAX_STORAGE) ?? [];
  if (extra !== undefined)
    problems.add(extra.at, `expected at most ${MAX_STORAGE} origins as storage, found more`);
  return out;
}

/** An address over HTTPS, or over HTTP on this machine; `null` for every other. */
function endpoint(text: string): URL | null {
  if (!URL.canParse(text)) return null;
  const url = new URL(text);
  const safe = url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback(url.hostname));
  return safe && url.username === '' && url.password === '' && !text.includes('#') ? url : null;
}
