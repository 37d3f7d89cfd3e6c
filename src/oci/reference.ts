import { LIMITS } from '../lib/limits.ts';
import { quote } from '../lib/quote.ts';
import type { Result } from '../lib/result.ts';
import { ok, refuse } from '../lib/result.ts';
import type { Digest } from './digest.ts';
import { parseDigest } from './digest.ts';

declare const repositoryBrand: unique symbol;
/** A repository's canonical full name with its host, no tag: `registry.example.com/team/app`. */
export type Repository = string & { readonly [repositoryBrand]: true };

/** A repository plus a tag or a digest (or both: then the digest decides). */
export interface Reference {
  readonly repository: Repository;
  readonly host: string;
  /** The name within the registry: `team/app`. */
  readonly path: string;
  readonly tag?: string;
  readonly digest?: Digest;
}

// OCI distribution-spec, "Pulling manifests": the grammars of <name> and of a tag.
const PATH = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/;
const TAG = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/;
const HOST =
  /^(?:\[[0-9a-f:]{2,45}\]|[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*)(?::[0-9]{1,5})?$/;

/** True for a name within a registry (`team/app`) of the OCI grammar, at most 255 characters. */
export function isPath(text: string): boolean {
  return text.length <= LIMITS.nameLength && PATH.test(text);
}

/** True for a tag of the OCI grammar. */
export function isTag(text: string): boolean {
  return TAG.test(text);
}

/** The canonical host: lower case, `:443` dropped, Docker Hub's other names folded; refuses what is no host. */
export function parseHost(text: string): Result<string> {
  let host = text.toLowerCase();
  if (host.endsWith(':443')) host = host.slice(0, -4);
  if (host === 'index.docker.io' || host === 'registry-1.docker.io') host = 'docker.io';
  if (!HOST.test(host) || Number(/:([0-9]+)$/.exec(host)?.[1] ?? '1') > 65_535) {
    return refuse('REFERENCE_INVALID', `expected a registry host, found ${quote(text)}`);
  }
  return ok(host);
}

/** Joins a canonical host and a path into a repository; refuses names outside the grammar. */
export function repositoryOf(host: string, path: string): Result<Repository> {
  if (!isPath(path) || host.length + 1 + path.length > LIMITS.nameLength) {
    return refuse(
      'NAME_INVALID',
      `expected a repository name of lower-case letters, digits and . _ - /, found ${quote(path)}`,
    );
  }
  return ok(`${host}/${path}` as Repository);
}

/** Reads a repository name as people write it (`nginx`, `host:5000/team/app`), without tag or digest. */
export function parseRepository(text: string): Result<Repository> {
  const parsed = parseReference(text);
  if (!parsed.ok) return parsed;
  if (parsed.value.tag !== undefined || parsed.value.digest !== undefined) {
    return refuse(
      'REFERENCE_INVALID',
      `expected a repository without tag or digest, found ${quote(text, 120)}`,
    );
  }
  return ok(parsed.value.repository);
}

/**
 * Reads an image reference as people write it, into the one canonical form: short names belong to
 * `docker.io/library/`, the host is folded by {@link parseHost}. Neither a tag nor a digest is
 * invented; see {@link withDefaultTag}.
 */
export function parseReference(text: string): Result<Reference> {
  const bad = (why: string): Result<never> =>
    refuse('REFERENCE_INVALID', `${why}, found ${quote(text, 120)}`);
  if (text.length > 1024) return bad('expected an image reference of at most 1024 characters');
  let rest = text;
  let digest: Digest | undefined;
  const at = rest.indexOf('@');
  if (at >= 0) {
    const parsed = parseDigest(rest.slice(at + 1));
    if (!parsed.ok) return parsed;
    digest = parsed.value;
    rest = rest.slice(0, at);
  }
  let tag: string | undefined;
  const colon = rest.lastIndexOf(':');
  if (colon > rest.lastIndexOf('/')) {
    tag = rest.slice(colon + 1);
    // `localhost:5000` alone is a host with a port, not a name with a tag.
    if (!isTag(tag)) return refuse('TAG_INVALID', `expected a tag, found ${quote(tag, 140)}`);
    rest = rest.slice(0, colon);
  }
  const slash = rest.indexOf('/');
  const first = slash < 0 ? '' : rest.slice(0, slash);
  const named =
    first.includes('.') ||
    first.includes(':') ||
    first === 'localhost' ||
    first !== first.toLowerCase();
  const host = parseHost(named ? first : 'docker.io');
  if (!host.ok) return host;
  // Docker takes an upper-case first part for a host; in lower case it would be somebody's name on Hub.
  if (!/[.:]|^localhost$/.test(host.value)) return bad('expected a lower-case image reference');
  let path = named ? rest.slice(slash + 1) : rest;
  if (host.value === 'docker.io' && !path.includes('/')) path = `library/${path}`;
  const repository = repositoryOf(host.value, path);
  if (!repository.ok) return repository;
  return ok({
    repository: repository.value,
    host: host.value,
    path,
    ...(tag === undefined ? {} : { tag }),
    ...(digest === undefined ? {} : { digest }),
  });
}

/** The same reference, with tag `latest` where it names neither a tag nor a digest (docker's habit). */
export function withDefaultTag(reference: Reference): Reference {
  return reference.tag === undefined && reference.digest === undefined
    ? { ...reference, tag: 'latest' }
    : reference;
}

/** The reference as text: `repo:tag`, `repo@digest` or `repo:tag@digest`. */
export function formatReference(
  reference: Pick<Reference, 'repository' | 'tag' | 'digest'>,
): string {
  const tag = reference.tag === undefined ? '' : `:${reference.tag}`;
  const digest = reference.digest === undefined ? '' : `@${reference.digest}`;
  return `${reference.repository}${tag}${digest}`;
}

/** The host and the path of a repository. */
export function splitRepository(repository: Repository): {
  readonly host: string;
  readonly path: string;
} {
  const slash = repository.indexOf('/');
  return { host: repository.slice(0, slash), path: repository.slice(slash + 1) };
}
