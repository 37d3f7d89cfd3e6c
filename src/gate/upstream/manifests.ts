import type { Dispatcher } from 'undici';
import { CountersignError } from '../../lib/errors.ts';
import { LIMITS } from '../../lib/limits.ts';
import { algorithmOf, digestOf, isDigest } from '../../oci/digest.ts';
import { essence } from '../../oci/manifest.ts';
import { MANIFEST_ACCEPT } from '../../oci/media-types.ts';
import type { Caller } from '../access/caller.ts';
import { header, readBounded, relayed, unavailable, withBody } from './answer.ts';
import type { HeadAnswer, ManifestAnswer, Relayed, Stored } from './upstream.ts';
import type { Wire } from './wire.ts';

/** Reads a manifest and hashes it; see {@link Upstream.manifest}. */
export async function getManifest(
  wire: Wire,
  path: string,
  reference: string,
  caller: Caller,
): Promise<ManifestAnswer> {
  const response = await ask(wire, 'GET', path, reference, caller);
  if (response.statusCode !== 200) return otherThan200(response);
  const bytes = await readBounded(response.body, LIMITS.manifestBytes);
  const digest = digestOf(bytes, isDigest(reference) ? algorithmOf(reference) : 'sha256');
  // What upstream claims in headers does not matter; what it sent does (T-04, T-05).
  if (isDigest(reference) && digest !== reference) {
    throw new CountersignError(
      'UPSTREAM_INVALID',
      `the registry answered ${reference.slice(0, 19)} with other bytes; nothing was served`,
    );
  }
  return {
    kind: 'found',
    bytes,
    mediaType: essence(header(response, 'content-type') ?? ''),
    digest,
  };
}

/** Resolves a reference; see {@link Upstream.head}. */
export async function headManifest(
  wire: Wire,
  path: string,
  reference: string,
  caller: Caller,
): Promise<HeadAnswer> {
  const response = await ask(wire, 'HEAD', path, reference, caller);
  if (response.statusCode !== 200) {
    const answer = await otherThan200(response);
    return answer.kind === 'relay' ? withBody(answer) : answer;
  }
  await response.body.dump();
  const claimed = header(response, 'docker-content-digest');
  if (claimed !== undefined && isDigest(claimed)) return { kind: 'found', digest: claimed };
  // A registry may leave the header out: then only the bytes tell.
  return getManifest(wire, path, reference, caller);
}

/** Stores a manifest; see {@link Upstream.putManifest}. */
export async function putManifest(
  wire: Wire,
  target: { readonly path: string; readonly reference: string; readonly caller: Caller },
  bytes: Uint8Array,
  mediaType: string,
): Promise<Stored | Relayed> {
  const response = await wire.ask({
    method: 'PUT',
    path: `/v2/${target.path}/manifests/${target.reference}`,
    headers: { 'content-type': mediaType },
    caller: target.caller,
    body: bytes,
  });
  if (response.statusCode === 201 || response.statusCode === 202) {
    await response.body.dump();
    const claimed = header(response, 'docker-content-digest');
    if (
      claimed !== undefined &&
      isDigest(claimed) &&
      claimed !== digestOf(bytes, algorithmOf(claimed))
    ) {
      throw new CountersignError(
        'UPSTREAM_INVALID',
        'the registry stored something else than was pushed',
      );
    }
    const subject = header(response, 'oci-subject');
    return {
      kind: 'stored',
      subject: subject !== undefined && isDigest(subject) ? subject : null,
    };
  }
  // A refusal of a push (a missing blob, no rights, a quota) is upstream's to explain.
  if (response.statusCode >= 400 && response.statusCode < 500) return relayed(response);
  await response.body.dump();
  throw unavailable(`answered ${response.statusCode} to a manifest push`);
}

function ask(
  wire: Wire,
  method: 'GET' | 'HEAD',
  path: string,
  reference: string,
  caller: Caller,
): Promise<Dispatcher.ResponseData> {
  return wire.ask({
    method,
    path: `/v2/${path}/manifests/${reference}`,
    headers: { accept: MANIFEST_ACCEPT },
    caller,
  });
}

async function otherThan200(
  response: Dispatcher.ResponseData,
): Promise<{ readonly kind: 'absent' } | Relayed> {
  if (response.statusCode === 404) {
    await response.body.dump();
    return { kind: 'absent' };
  }
  if (response.statusCode === 401 || response.statusCode === 403 || response.statusCode === 429)
    return relayed(response);
  await response.body.dump();
  throw unavailable(`answered ${response.statusCode} for a manifest`);
}
