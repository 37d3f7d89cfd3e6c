import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { decodeUtf8 } from '../../src/lib/bytes.ts';
import { readBoundedFile } from '../../src/lib/file.ts';
import type { Json } from '../../src/lib/json.ts';
import { isObject, parseJson } from '../../src/lib/json.ts';
import type { Engine, EngineAddress, EngineTls } from '../../src/oci/engine.ts';
import { connectEngine } from '../../src/oci/engine.ts';
import { engineTls, fileIn } from '../engine-tls.ts';
import { TrustFailure } from './failure.ts';
import type { Session } from './session.ts';

const FILE_BYTES = 1024 * 1024;

/** Connects to the engine that docker would ask: `--host`, `--context`, the variables, the chosen context. */
export async function openEngine(session: Session): Promise<Engine> {
  return connectEngine(await engineAddress(session));
}

async function engineAddress(session: Session): Promise<EngineAddress> {
  const { env } = session.talk;
  const host = session.host ?? (session.context === undefined ? env['DOCKER_HOST'] : undefined);
  const tls = engineTls(env, session.dockerConfig, session.tls);
  const byTls = tls === undefined ? {} : { tls };
  if (host !== undefined && host !== '') return { host, ...byTls };
  const named = session.context ?? env['DOCKER_CONTEXT'] ?? '';
  const name = named === '' ? await currentContext(session.dockerConfig) : named;
  return name === 'default' ? byTls : contextAddress(session.dockerConfig, name);
}

async function currentContext(dockerConfig: string): Promise<string> {
  const config = await readObject(join(dockerConfig, 'config.json'));
  const name = config?.['currentContext'];
  return typeof name === 'string' && name !== '' ? name : 'default';
}

/** A context as `docker context create` keeps it: its folder is the hash of its name. */
async function contextAddress(dockerConfig: string, name: string): Promise<EngineAddress> {
  const id = createHash('sha256').update(name).digest('hex');
  const meta = await readObject(join(dockerConfig, 'contexts', 'meta', id, 'meta.json'));
  const endpoints = meta?.['Endpoints'];
  const docker = isObject(endpoints) ? endpoints['docker'] : undefined;
  const host = isObject(docker) ? docker['Host'] : undefined;
  if (typeof host !== 'string') {
    throw new TrustFailure(`context "${name}": context not found: it has no docker endpoint`);
  }
  const tls = contextTls(join(dockerConfig, 'contexts', 'tls', id, 'docker'));
  const verify = !isObject(docker) || docker['SkipTLSVerify'] !== true;
  const given = tls.ca !== null || tls.cert !== null || tls.key !== null || !verify;
  return given ? { host, tls: { ...tls, verify } } : { host };
}

/** The files that a context has for TLS; any of them means TLS. */
function contextTls(folder: string): Omit<EngineTls, 'verify'> {
  return {
    ca: fileIn(folder, 'ca.pem'),
    cert: fileIn(folder, 'cert.pem'),
    key: fileIn(folder, 'key.pem'),
  };
}

async function readObject(path: string): Promise<Readonly<Record<string, Json>> | null> {
  const file = await readBoundedFile(path, FILE_BYTES, 'CONFIG_INVALID');
  if (!file.ok || decodeUtf8(file.value.bytes) === undefined) return null;
  const json = parseJson(file.value.bytes, { maxBytes: FILE_BYTES });
  return json.ok && isObject(json.value) ? json.value : null;
}
