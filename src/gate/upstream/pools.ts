import { Pool } from 'undici';
import type { TlsConnect } from '../../oci/tls.ts';
import { tlsConnect } from '../../oci/tls.ts';
import type { UpstreamOptions } from './upstream.ts';

const HEADERS_TIMEOUT = 30_000;
const BODY_IDLE_TIMEOUT = 120_000;

/** Makes the connections to one origin, at most so many at a time; nothing is sent yet. */
export function openPool(
  options: Pick<UpstreamOptions, 'origin' | 'socketPath' | 'tls' | 'timeouts'>,
  connections: number,
): Pool {
  return new Pool(options.origin, {
    connections,
    pipelining: 1,
    headersTimeout: options.timeouts?.headers ?? HEADERS_TIMEOUT,
    bodyTimeout: options.timeouts?.body ?? BODY_IDLE_TIMEOUT,
    allowH2: false,
    connect: {
      timeout: 10_000,
      ...(options.socketPath === undefined ? {} : { socketPath: options.socketPath }),
      ...(options.origin.startsWith('https:') ? verified(options.tls) : {}),
    },
  });
}

/** Always verified, on loopback too. An authority that the configuration names is trusted instead of the usual ones. */
function verified(tls: UpstreamOptions['tls']): TlsConnect {
  const material = tls ?? { ca: [], explicit: false };
  const usual = tlsConnect(material, true);
  return material.explicit ? { ...usual, ca: [...material.ca] } : usual;
}
