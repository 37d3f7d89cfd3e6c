import type { Dispatcher } from 'undici';
import { Client } from 'undici';
import { CountersignError } from '../lib/errors.ts';
import { readBoundedFile } from '../lib/file.ts';
import { LIMITS } from '../lib/limits.ts';
import { isObject, parseJson } from '../lib/json.ts';
import { printable } from './refusal.ts';

/** Where the Docker Engine is: docker's own variables. */
export interface EngineAddress {
  /** `DOCKER_HOST`: `unix:///path`, `tcp://host:port`; the usual socket where left out. */
  readonly host?: string;
  /** Where a TCP host is spoken to by TLS; in the clear where left out. */
  readonly tls?: EngineTls;
}

/** The files for TLS with an engine, by path; `null`: the system's authorities, no certificate of one's own. */
export interface EngineTls {
  readonly ca: string | null;
  readonly cert: string | null;
  readonly key: string | null;
  /** False where a person said so: then anybody may be the engine. */
  readonly verify: boolean;
}

/** An engine that can be asked (Docker Engine API). Whoever connects destroys the client. */
export interface Engine {
  readonly client: Client;
  /** As messages name it. */
  readonly where: string;
}

const USUAL_SOCKET = '/var/run/docker.sock';
const ERROR_BYTES = 64 * 1024;

/** Connects to an engine; nothing is sent yet. Throws SOURCE_INVALID for a transport other than a socket or TCP, and for files of TLS that cannot be read. */
export async function connectEngine({ host, tls }: EngineAddress): Promise<Engine> {
  const where = host ?? `unix://${USUAL_SOCKET}`;
  // An export may take minutes to begin: the engine gathers the image first.
  const patience = { headersTimeout: 600_000, bodyTimeout: 120_000, allowH2: false };
  const unix = /^unix:\/\/(.+)$/.exec(where)?.[1];
  if (unix !== undefined) {
    return { where, client: new Client('http://docker', { ...patience, socketPath: unix }) };
  }
  const tcp = /^tcp:\/\/([^/]+)\/?$/.exec(where)?.[1];
  if (tcp === undefined) {
    throw new CountersignError(
      'SOURCE_INVALID',
      `expected DOCKER_HOST as unix:///path or tcp://host:port, found ${printable(where)}; for other transports use docker save and docker-archive:`,
    );
  }
  if (tls === undefined) return { where, client: new Client(`http://${tcp}`, patience) };
  const [ca = null, cert = null, key = null] = await Promise.all(
    [tls.ca, tls.cert, tls.key].map(pemOf),
  );
  const connect = {
    ...(ca === null ? {} : { ca }),
    ...(cert === null ? {} : { cert }),
    ...(key === null ? {} : { key }),
    rejectUnauthorized: tls.verify,
  };
  return { where, client: new Client(`https://${tcp}`, { ...patience, connect }) };
}

async function pemOf(path: string | null): Promise<Buffer | null> {
  if (path === null) return null;
  const file = await readBoundedFile(path, LIMITS.configFileBytes, 'SOURCE_INVALID');
  if (file.ok) return file.value.bytes;
  throw new CountersignError(
    'SOURCE_INVALID',
    `TLS with the docker engine: ${file.refusal.message}`,
  );
}

/** What the engine says about a failure; `null` where it says nothing. */
export async function engineMessage(body: Dispatcher.ResponseData['body']): Promise<string | null> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of body) {
    chunks.push(chunk as Buffer);
    length += (chunk as Buffer).length;
    if (length > ERROR_BYTES) return null;
  }
  const text = Buffer.concat(chunks);
  const parsed = parseJson(text, { maxBytes: ERROR_BYTES });
  const said = parsed.ok && isObject(parsed.value) ? parsed.value['message'] : undefined;
  return typeof said === 'string' ? printable(said) : null;
}
