import { createWriteStream } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { Client } from 'undici';
import { CountersignError, messageOf } from '../../lib/errors.ts';
import { isObject, parseJson } from '../../lib/json.ts';
import { parseReference } from '../reference.ts';
import { printable } from '../refusal.ts';
import type { Archive } from './archive.ts';
import { openArchive } from './archive.ts';
import { openDockerArchive } from './docker-archive.ts';
import type { ImageSource } from './source.ts';
import { invalidSource } from './source.ts';

/** Where the Docker Engine is: docker's own variables. */
export interface DaemonAddress {
  /** `DOCKER_HOST`: `unix:///path`, `tcp://host:port`; the usual socket where left out. */
  readonly host?: string;
  /** `DOCKER_CERT_PATH`, with `DOCKER_TLS_VERIFY`: ca.pem, cert.pem and key.pem for a TCP host. */
  readonly certificates?: string;
}

const USUAL_SOCKET = '/var/run/docker.sock';
const ERROR_BYTES = 64 * 1024;

/**
 * Exports an image from a Docker Engine (Engine API, `GET /images/{name}/get`) and opens it as a
 * docker archive. Throws SOURCE_INVALID where the engine cannot be reached or has no such image.
 */
export async function openDockerDaemon(
  name: string,
  address: DaemonAddress,
  signal?: AbortSignal,
): Promise<ImageSource> {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-daemon-'));
  const remove = (): Promise<void> => rm(folder, { recursive: true, force: true });
  try {
    const file = join(folder, 'image.tar');
    await save(name, address, file, signal);
    const archive = await openArchive(file, signal);
    const owned: Archive = {
      ...archive,
      async close() {
        await archive.close();
        await remove();
      },
    };
    // Asked for by name, the export holds that image alone; asked for by id, it has no name.
    return await openDockerArchive(owned, undefined);
  } catch (error) {
    await remove();
    throw error;
  }
}

async function save(
  name: string,
  address: DaemonAddress,
  file: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  // An image's name or id, and nothing that the engine would read as another path.
  if (!parseReference(name).ok)
    throw invalidSource(`expected the name of an image, found ${printable(name)}`);
  const where = address.host ?? `unix://${USUAL_SOCKET}`;
  const client = await connect(where, address.certificates);
  try {
    const answer = await client.request({
      method: 'GET',
      path: `/images/${name}/get`,
      headers: { host: 'docker' },
      signal: signal ?? null,
    });
    if (answer.statusCode !== 200) {
      const text = Buffer.from(await answer.body.arrayBuffer()).subarray(0, ERROR_BYTES);
      const parsed = parseJson(text, { maxBytes: ERROR_BYTES });
      const said = parsed.ok && isObject(parsed.value) ? parsed.value['message'] : undefined;
      throw invalidSource(
        `the docker engine does not give ${name}: ${printable(typeof said === 'string' ? said : `status ${answer.statusCode}`)}`,
      );
    }
    await pipeline(answer.body, createWriteStream(file));
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof CountersignError) throw error;
    throw invalidSource(`cannot ask the docker engine at ${where}: ${messageOf(error)}`, error);
  } finally {
    await client.destroy();
  }
}

async function connect(where: string, certificates: string | undefined): Promise<Client> {
  // An export may take minutes to begin: the engine gathers the image first.
  const patience = { headersTimeout: 600_000, bodyTimeout: 120_000, allowH2: false };
  const unix = /^unix:\/\/(.+)$/.exec(where)?.[1];
  if (unix !== undefined) return new Client('http://docker', { ...patience, socketPath: unix });
  const tcp = /^tcp:\/\/([^/]+)\/?$/.exec(where)?.[1];
  if (tcp === undefined)
    throw invalidSource(
      `expected DOCKER_HOST as unix:///path or tcp://host:port, found ${printable(where)}; for other transports use docker save and docker-archive:`,
    );
  if (certificates === undefined) return new Client(`http://${tcp}`, patience);
  const pem = (file: string): Promise<string> => readFile(join(certificates, file), 'utf8');
  const [ca, cert, key] = await Promise.all([pem('ca.pem'), pem('cert.pem'), pem('key.pem')]);
  return new Client(`https://${tcp}`, { ...patience, connect: { ca, cert, key } });
}
