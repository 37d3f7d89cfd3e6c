import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Dispatcher } from 'undici';
import { Client } from 'undici';
import { CountersignError } from '../lib/errors.ts';
import { isObject, parseJson } from '../lib/json.ts';
import { printable } from './refusal.ts';

/** Where the Docker Engine is: docker's own variables. */
export interface EngineAddress {
  /** `DOCKER_HOST`: `unix:///path`, `tcp://host:port`; the usual socket where left out. */
  readonly host?: string;
  /** `DOCKER_CERT_PATH`, with `DOCKER_TLS_VERIFY`: ca.pem, cert.pem and key.pem for a TCP host. */
  readonly certificates?: string;
}

/** An engine that can be asked (Docker Engine API). Whoever connects destroys the client. */
export interface Engine {
  readonly client: Client;
  /** As messages name it. */
  readonly where: string;
}

const USUAL_SOCKET = '/var/run/docker.sock';
const ERROR_BYTES = 64 * 1024;

/** Connects to an engine; nothing is sent yet. Throws SOURCE_INVALID for a transport other than a socket or TCP. */
export async function connectEngine({ host, certificates }: EngineAddress): Promise<Engine> {
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
  if (certificates === undefined) return { where, client: new Client(`http://${tcp}`, patience) };
  const pem = (file: string): Promise<string> => readFile(join(certificates, file), 'utf8');
  const [ca, cert, key] = await Promise.all([pem('ca.pem'), pem('cert.pem'), pem('key.pem')]);
  return {
    where,
    client: new Client(`https://${tcp}`, { ...patience, connect: { ca, cert, key } }),
  };
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
