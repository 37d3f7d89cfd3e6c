import { isRoleName } from '../tuf/role-name.ts';

/** A request path of the Notary v1 protocol (dct-protocol 1), parsed. `gun` is text: whether it names a repository here is for the route to say. */
export type NotaryRoute =
  | { readonly kind: 'repository'; readonly gun: string }
  | { readonly kind: 'current'; readonly gun: string; readonly role: string }
  | {
      readonly kind: 'by-hash';
      readonly gun: string;
      readonly role: string;
      /** 64 lower-case hex digits. */
      readonly sha256: string;
    }
  | {
      readonly kind: 'by-version';
      readonly gun: string;
      readonly role: string;
      /** From 1. */
      readonly version: number;
    }
  | { readonly kind: 'key'; readonly gun: string; readonly role: 'snapshot' | 'timestamp' }
  /** `null`: of all repositories. */
  | { readonly kind: 'changefeed'; readonly gun: string | null };

/** Names a repository's trust data from everything else below `/v2/`: no component of a repository's own name begins with `_`. */
const MARK = '/_trust/';
const GUN = /^[A-Za-z0-9._:[\]-]+(?:\/[A-Za-z0-9._-]+)*$/;
const FILE =
  /^(?:(?<version>[1-9][0-9]{0,9})\.)?(?<role>[a-z][-a-z0-9_/]*)(?:\.(?<sha256>[0-9a-f]{64}))?\.json$/;
const KEY = /^(snapshot|timestamp)\.key$/;

/** True for a path that belongs to the trust server and not to the registry (dct-protocol 5.1, same origin). */
export function isNotaryPath(path: string): boolean {
  return path.startsWith('/v2/') && path.includes(MARK);
}

/**
 * Parses the raw path of a request (no query) in its one canonical spelling; `null` for every other:
 * never normalised and never redirected to what it might have meant, so that nothing before or behind
 * the service reads another repository or role (T-29, T-30). A port's colon stays raw, as clients send it.
 */
export function parseNotaryPath(path: string): NotaryRoute | null {
  if (path === '/v2/_trust/changefeed') return { kind: 'changefeed', gun: null };
  // The first mark: roles of a delegation may have a component `_trust`, repositories may not.
  const at = path.indexOf(MARK);
  if (!path.startsWith('/v2/') || at < '/v2/'.length || path.length > 1024) return null;
  const gun = path.slice('/v2/'.length, at);
  if (!GUN.test(gun) || /(?:^|\/)\.{1,2}(?:\/|$)/.test(gun)) return null;
  const rest = path.slice(at + MARK.length);
  if (rest === 'changefeed') return { kind: 'changefeed', gun };
  if (!rest.startsWith('tuf/')) return null;
  const file = rest.slice('tuf/'.length);
  if (file === '') return { kind: 'repository', gun };
  const key = KEY.exec(file)?.[1];
  if (key === 'snapshot' || key === 'timestamp') return { kind: 'key', gun, role: key };
  return fileRoute(gun, file);
}

function fileRoute(gun: string, file: string): NotaryRoute | null {
  const { version, role = '', sha256 } = FILE.exec(file)?.groups ?? {};
  if (!isRoleName(role)) return null;
  if (version !== undefined && sha256 !== undefined) return null;
  if (sha256 !== undefined) return { kind: 'by-hash', gun, role, sha256 };
  if (version !== undefined) return { kind: 'by-version', gun, role, version: Number(version) };
  return { kind: 'current', gun, role };
}
