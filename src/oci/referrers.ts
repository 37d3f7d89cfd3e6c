import { CountersignError } from '../lib/errors.ts';
import { LIMITS } from '../lib/limits.ts';
import type { Result } from '../lib/result.ts';
import { refuse } from '../lib/result.ts';
import type { Digest } from './digest.ts';
import { hexOf, isDigest } from './digest.ts';
import { pullScope, repositoryUrl } from './endpoint.ts';
import type { Exchange, Located } from './exchange.ts';
import type { Descriptor } from './manifest.ts';
import { essence, parseManifest } from './manifest.ts';
import { MEDIA } from './media-types.ts';
import { nextLink } from './name-list.ts';
import { resolveLocation } from './origin.ts';
import { refusalOf } from './refusal.ts';

/** The manifests that a registry lists for a subject. */
export interface ReferrerList {
  /** In the registry's order. Hints, not facts: whoever may push can have anything listed, so each is fetched and checked. */
  readonly descriptors: readonly Descriptor[];
  /** False where the registry has more than {@link LIMITS.referrers} or {@link LIMITS.referrerPages} pages. */
  readonly complete: boolean;
}

const ALGORITHM_CHARS = 32;
const ENCODED_CHARS = 64;

/**
 * The tag under which clients keep the list of a digest's referrers where the registry has no
 * referrers API (distribution-spec, "Referrers Tag Schema"): a sha512 digest is cut to 64 digits.
 */
export function fallbackTag(digest: Digest): string {
  const algorithm = digest.slice(0, digest.indexOf(':'));
  return `${algorithm.slice(0, ALGORITHM_CHARS)}-${hexOf(digest).slice(0, ENCODED_CHARS)}`;
}

/** What a fallback tag speaks for. */
export interface FallbackTag {
  /** The subject; `null` for sha512, whose tag holds only half of the digest. */
  readonly subject: Digest | null;
  /** How the digest of any of its subjects begins. */
  readonly prefix: string;
}

/** Reads a tag of the referrers tag schema; `null` for every other. */
export function parseFallbackTag(tag: string): FallbackTag | null {
  const match = /^(sha256|sha512)-([0-9a-f]{64})$/.exec(tag);
  if (match === null) return null;
  const prefix = `${match[1] ?? ''}:${match[2] ?? ''}`;
  return { subject: isDigest(prefix) ? prefix : null, prefix };
}

/** Reads one page of the referrers API, or the index under a fallback tag: an OCI image index. */
export function parseReferrers(
  bytes: Uint8Array,
  contentType?: string,
): Result<readonly Descriptor[]> {
  const parsed = parseManifest(bytes, contentType, LIMITS.manifestBytes);
  if (!parsed.ok) return parsed;
  if (parsed.value.kind !== 'index' || parsed.value.mediaType !== MEDIA.ociIndex)
    return refuse('MANIFEST_INVALID', `expected an ${MEDIA.ociIndex} of referrers`);
  return { ok: true, value: parsed.value.manifests };
}

/**
 * Lists a subject's referrers by the registry's API, page by page, within bounds; `null` where the
 * registry has no such API ({@link isNoReferrersApi}), so that the index under
 * the {@link fallbackTag} is to be read instead. Throws CountersignError where it could not be asked.
 */
export async function listReferrers(
  exchange: Exchange,
  path: string,
  digest: Digest,
): Promise<ReferrerList | null> {
  const scopes = [pullScope(path)];
  const descriptors: Descriptor[] = [];
  let next: string | URL | undefined = repositoryUrl(path, `referrers/${digest}`);
  for (let pages = 0; next !== undefined; pages++) {
    if (pages === LIMITS.referrerPages || descriptors.length > LIMITS.referrers)
      return { descriptors: descriptors.slice(0, LIMITS.referrers), complete: false };
    const page: Page | null = await exchange.request(
      {
        method: 'GET',
        target: next,
        headers: { accept: MEDIA.ociIndex },
        scopes,
        idempotent: true,
      },
      pages === 0 ? readFirstPage : readPage,
    );
    if (page === null) return null;
    descriptors.push(...page.descriptors);
    next = page.next;
  }
  return {
    descriptors: descriptors.slice(0, LIMITS.referrers),
    complete: descriptors.length <= LIMITS.referrers,
  };
}

/** What registries answer that have no such API; all but 404 are none of the specification's, but met. */
const NO_API: readonly number[] = [400, 404, 405, 406];

/**
 * True where the answer to the first question for referrers says that the registry has no such API.
 * The specification asks for an image index (distribution-spec end-12a): a page for people is no list.
 */
export function isNoReferrersApi(status: number, contentType: string | undefined): boolean {
  return (
    NO_API.includes(status) || (status === 200 && essence(contentType ?? '') !== MEDIA.ociIndex)
  );
}

interface Page {
  readonly descriptors: readonly Descriptor[];
  readonly next: URL | undefined;
}

async function readFirstPage(answer: Located): Promise<Page | null> {
  if (!isNoReferrersApi(answer.status, answer.header('content-type'))) return readPage(answer);
  await answer.drain();
  return null;
}

async function readPage(answer: Located): Promise<Page> {
  if (answer.status !== 200) throw await refusalOf(answer, 'listing referrers');
  const link = nextLink(answer.header('link'));
  const parsed = parseReferrers(await answer.read(LIMITS.manifestBytes));
  if (!parsed.ok) throw new CountersignError('UPSTREAM_INVALID', parsed.refusal.message);
  const next = link === undefined ? undefined : resolveLocation(link, answer.url);
  if (next !== undefined && next.origin !== answer.url.origin) {
    throw new CountersignError(
      'UPSTREAM_INVALID',
      'expected pages of one origin, found another host',
    );
  }
  return { descriptors: parsed.value, next };
}
