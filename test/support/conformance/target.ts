import { randomBytes } from 'node:crypto';
import type { Digest } from '../../../src/oci/digest.ts';
import type { Called, CallOptions } from '../http-call.ts';
import { call } from '../http-call.ts';

/** A registry under test and a repository of it that nothing else uses. */
export interface Target {
  readonly url: string;
  /** The repository's name. */
  readonly repo: string;
  /** A request to `/v2/<repo>/<rest>`. */
  readonly send: (method: string, rest: string, options?: CallOptions) => Promise<Called>;
  /** A request to an address that the registry gave in `Location`, with more query. */
  readonly follow: (
    method: string,
    answer: Called,
    query?: string,
    options?: CallOptions,
  ) => Promise<Called>;
}

/** One thing that a registry must do. */
export interface Row {
  readonly title: string;
  readonly run: (target: Target) => Promise<void>;
}

/** A fresh repository of the registry. */
export function targetAt(url: string): Target {
  const repo = `conformance/${randomBytes(6).toString('hex')}`;
  return {
    url,
    repo,
    send: async (method, rest, options) => call(url, method, `/v2/${repo}/${rest}`, options),
    follow: async (method, answer, query = '', options) => {
      const location = new URL(answer.headers.location ?? 'about:blank', url);
      const target = `${location.pathname}${location.search}`;
      const joint = query === '' ? '' : target.includes('?') ? '&' : '?';
      return call(url, method, `${target}${joint}${query}`, options);
    },
  };
}

/** Random bytes: content that no registry has yet. */
export const fresh = (size = 512): Buffer => randomBytes(size);

/** A digest that nothing has. */
export const noDigest = (): Digest => `sha256:${randomBytes(32).toString('hex')}` as Digest;

/** The header of an upload. */
export const OCTETS = { 'Content-Type': 'application/octet-stream' };
