import { createInterface } from 'node:readline';
import { CountersignError } from '../lib/errors.ts';
import type { Json } from '../lib/json.ts';
import { isObject, parseJson } from '../lib/json.ts';
import type { Credential } from './credentials.ts';
import type { Digest } from './digest.ts';
import { isDigest } from './digest.ts';
import type { Engine } from './engine.ts';
import { engineMessage } from './engine.ts';
import { printable } from './refusal.ts';

/** What an engine pushed, in its own words: nothing of it is signed unless it is a sha256 digest. */
export interface EnginePushed {
  readonly tag: string;
  readonly digest: Digest;
  /** Size of the manifest in bytes. */
  readonly size: number;
}

const LINE_BYTES = 64 * 1024;
/** An engine tells a tag's result twice, in text and as `aux`; more than a few are no push of one tag. */
const MOST_TOLD = 8;

/** Throws MANIFEST_UNKNOWN in the engine's words where it has no image of that name. */
export async function expectEngineImage({ client }: Engine, name: string): Promise<void> {
  const answer = await client.request({
    method: 'GET',
    path: `/images/${name}/json`,
  });
  if (answer.statusCode === 200) return answer.body.dump();
  const said = (await engineMessage(answer.body)) ?? `status ${answer.statusCode}`;
  throw new CountersignError('MANIFEST_UNKNOWN', `Error response from daemon: ${said}`);
}

/**
 * Has an engine push one tag of a repository, with a login for its registry; `status` gets each line
 * that docker would print. Throws SOURCE_INVALID with what the engine says where it fails, and where
 * it does not tell what it pushed.
 */
export async function pushByEngine(
  { client }: Engine,
  image: { readonly repository: string; readonly tag: string },
  credential: Credential | null,
  status: (line: string) => void,
): Promise<EnginePushed> {
  const answer = await client.request({
    method: 'POST',
    path: `/images/${image.repository}/push`,
    query: { tag: image.tag },
    headers: { 'x-registry-auth': authHeader(credential) },
  });
  if (answer.statusCode !== 200) {
    const said = (await engineMessage(answer.body)) ?? `status ${answer.statusCode}`;
    throw failed(`Error response from daemon: ${said}`);
  }
  const told: EnginePushed[] = [];
  for await (const line of createInterface({ input: answer.body, crlfDelay: Infinity })) {
    const message = parseJson(Buffer.from(line), { maxBytes: LINE_BYTES });
    if (!message.ok || !isObject(message.value)) continue;
    const { error, aux } = message.value;
    if (typeof error === 'string') throw failed(printable(error));
    const pushed = readPushed(aux) ?? readResult(message.value);
    if (pushed !== null && told.length < MOST_TOLD) told.push(pushed);
    const text = lineOf(message.value);
    if (text !== null) status(text);
  }
  const [pushed, ...others] = told;
  if (
    pushed !== undefined &&
    pushed.tag === image.tag &&
    others.every((one) => same(one, pushed))
  ) {
    return pushed;
  }
  throw failed('no targets found, provide a specific tag in order to sign it');
}

const same = (a: EnginePushed, b: EnginePushed): boolean =>
  a.tag === b.tag && a.digest === b.digest && a.size === b.size;

/** What docker prints of a message where nobody watches: no progress, no result. */
function lineOf({ status, id, progressDetail }: Readonly<Record<string, Json>>): string | null {
  const moving = isObject(progressDetail) && Object.keys(progressDetail).length > 0;
  if (typeof status !== 'string' || moving) return null;
  return typeof id === 'string' ? `${printable(id)}: ${printable(status)}` : printable(status);
}

function readPushed(aux: Json | undefined): EnginePushed | null {
  if (!isObject(aux)) return null;
  const { Tag: tag, Digest: digest, Size: size } = aux;
  if (typeof tag !== 'string' || typeof digest !== 'string' || !isDigest(digest)) return null;
  return typeof size === 'number' && size > 0 ? { tag, digest, size } : null;
}

/**
 * What an engine with containerd's image store tells: a last line for people and no `aux` (moby,
 * daemon/containerd/image_push.go). It is said once all has arrived, of what did: an index of which only
 * one platform is here is pushed as that platform's manifest. Lines about a layer have its id.
 */
function readResult({ status, id }: Readonly<Record<string, Json>>): EnginePushed | null {
  if (typeof status !== 'string' || id !== undefined) return null;
  const [, tag = '', digest = '', size = ''] = RESULT.exec(status) ?? [];
  return isDigest(digest) ? { tag, digest, size: Number(size) } : null;
}

const RESULT = /^([\w][\w.-]{0,127}): digest: (sha256:[0-9a-f]{64}) size: ([1-9][0-9]{0,14})$/;

/** Engine API, "Authentication": base64url of JSON. */
function authHeader(credential: Credential | null): string {
  const auth =
    credential === null
      ? {}
      : credential.kind === 'password'
        ? { username: credential.username, password: credential.password }
        : { identitytoken: credential.token };
  return Buffer.from(JSON.stringify(auth)).toString('base64url');
}

function failed(message: string): CountersignError {
  return new CountersignError('SOURCE_INVALID', message);
}
