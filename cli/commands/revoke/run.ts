import { CountersignError } from '../../../src/lib/errors.ts';
import type { Json, JsonObject } from '../../../src/lib/json.ts';
import { isCount, isObject } from '../../../src/lib/json.ts';
import type { Reference } from '../../../src/oci/reference.ts';
import { formatReference, parseReference } from '../../../src/oci/reference.ts';
import type { RevokedTags } from '../../../src/trust/dct/revoke-tags.ts';
import type { RegistryClient } from '../../../src/oci/client.ts';
import { apiObject, malformed } from '../../api/answer.ts';
import type { Context } from '../../commands.ts';
import { dockerConfigFolder } from '../../../src/config/docker-folder.ts';
import { removeEntry } from './dct-entry.ts';
import type { Revoked } from './doubt.ts';
import { inForce, isNotThere, wasNotRevoked } from './doubt.ts';
import { revokedKey } from './revoked-key.ts';
import { openRegistry } from '../../registry.ts';
import { parseServer } from '../../server.ts';
import type { TrustFlags } from '../../trust-server.ts';

/** The options of `revoke`. */
export interface RevokeFlags extends TrustFlags {
  readonly key?: string;
  readonly server?: string;
  readonly reason?: string;
  readonly undo?: boolean;
}

/** What one revocation is about, and the host that is told. */
interface Request {
  readonly host: string;
  readonly what: Revoked;
  readonly image: Reference | null;
}

interface Done {
  readonly revocation: Json;
  readonly undone: boolean;
  readonly record: number;
  /** False for a key that no policy in force names. */
  readonly known?: boolean;
  /** What became of a tag's entry in its repository's signed map, where it had one. */
  readonly dct?: RevokedTags;
}

/** `revoke`: every argument is read before anything is sent; then one request each. */
export async function runRevoke(
  context: Context,
  images: readonly string[],
  flags: RevokeFlags,
): Promise<void> {
  const output = context.output();
  const requests = images.map((image) => imageRequest(image, flags));
  if (flags.key !== undefined)
    requests.push(await keyRequest(flags.key, flags, dockerConfigFolder(context.env)));
  if (requests.length === 0) {
    throw new CountersignError('USAGE', 'expected an image (HOST/NAME:TAG or @sha256:…) or --key');
  }
  const undo = flags.undo ?? false;
  const done: Done[] = [];
  for (const { host, what, image } of requests) {
    const client = openRegistry({ host }, flags, context.env);
    try {
      const before = undo ? await inForce(client) : null;
      const one = await send(client, { ...what, reason: flags.reason ?? '', undo });
      const name = 'image' in what ? what.image : `key ${keyIn(one.revocation, what.key)}`;
      const now = undo ? 'is no longer revoked' : 'is revoked';
      output.note(`${name} ${now}, record sig/${one.record}`);
      // A registry that is slow to list its tags must not delay the revocation.
      const doubt = undo
        ? wasNotRevoked(name, one.revocation, before)
        : await isNotThere(client, what);
      if (doubt !== null) output.warn(doubt);
      if (one.known === false && !undo) {
        output.warn(
          `no policy of ${host} names ${name}, so that it counted for @repository alone, where trust data list it (or is it a slip, or Notary's id? the id that counts here is that of the .pub file: --key FILE)`,
        );
      }
      const entry = undo || image === null ? null : await removeEntry(context, image, flags);
      done.push(entry === null ? one : { ...one, dct: entry });
    } finally {
      await client.close();
    }
  }
  output.result({ revocations: done }, '');
}

/** The id that the service knows the key by, where Notary's was given. */
function keyIn(revocation: Json, asked: string): string {
  const keyId = isObject(revocation) ? revocation['keyId'] : undefined;
  return typeof keyId === 'string' ? keyId : asked;
}

function imageRequest(text: string, flags: RevokeFlags): Request {
  const parsed = parseReference(text);
  if (!parsed.ok) throw new CountersignError('USAGE', parsed.refusal.message);
  const image = parsed.value;
  // No tag is invented here: `latest` would be a guess, and a guess must not take trust away.
  if (image.tag === undefined && image.digest === undefined) {
    throw new CountersignError(
      'USAGE',
      `expected a tag or a digest to revoke, found the whole repository ${image.repository}; write :TAG or @sha256:…`,
    );
  }
  if (image.tag !== undefined && image.digest !== undefined) {
    throw new CountersignError(
      'USAGE',
      `expected either a tag or a digest to revoke, found both; a digest is refused under every name: ${image.repository}@${image.digest}`,
    );
  }
  const host = flags.server === undefined ? image.host : parseServer(flags.server);
  return { host, what: { image: formatReference(image) }, image };
}

async function keyRequest(key: string, flags: RevokeFlags, dockerConfig: string): Promise<Request> {
  if (flags.server === undefined) {
    throw new CountersignError(
      'USAGE',
      'expected --server URL with --key: a key is revoked at a Countersign, not at an image',
    );
  }
  const host = parseServer(flags.server);
  return { host, what: { key: await revokedKey(key, dockerConfig) }, image: null };
}

async function send(client: RegistryClient, body: JsonObject): Promise<Done> {
  const answer = apiObject(await client.api('POST', '/api/v1/revocations', body));
  if (answer === null) {
    throw new CountersignError(
      'USAGE',
      `${client.host} is no Countersign, so nothing was revoked; name the one in front of it with --server URL`,
    );
  }
  const { revocation, record, known } = answer;
  if (revocation === undefined || !isCount(record)) throw malformed('a recorded revocation');
  const named = typeof known === 'boolean' ? { known } : {};
  return { revocation, undone: body['undo'] === true, record, ...named };
}
