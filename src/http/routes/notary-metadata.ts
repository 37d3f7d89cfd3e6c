import type { StoredTrustFile } from '../../store/trust-data.ts';
import type { NotaryRoute } from '../notary-path.ts';
import type { HttpPorts } from '../ports.ts';
import type { NotaryRequest, TrustedName } from './notary-request.ts';
import { fail, permitted, sendFound } from './notary-request.ts';

type FileRoute = Extract<NotaryRoute, { kind: 'current' | 'by-hash' | 'by-version' }>;

/** Serves a file of metadata byte for byte: the current one, or any that ever was (dct-protocol 1, rows 3 to 5). */
export async function metadata(
  ports: HttpPorts,
  r: NotaryRequest,
  name: TrustedName,
  route: FileRoute,
): Promise<void> {
  if (!(await permitted(ports, r, name, 'pull'))) return;
  const file = await find(ports, name, route);
  if (file === null) return fail(r, 'METADATA_NOT_FOUND', {});
  sendFound(r, file.bytes, {
    'cache-control': cacheControl(route.kind === 'current', r.request.headers.authorization),
    'last-modified': new Date(file.storedAt).toUTCString(),
  });
}

function find(
  { notary }: HttpPorts,
  { repository }: TrustedName,
  route: FileRoute,
): Promise<StoredTrustFile | null> {
  switch (route.kind) {
    case 'current':
      return notary.current(repository, route.role);
    case 'by-hash':
      return notary.stored(repository, route.role, { sha256: route.sha256 });
    case 'by-version':
      return notary.stored(repository, route.role, { version: route.version });
  }
}

/**
 * Notary's caching (dct-protocol 1.1). What needed a login is for who logged in: with `public`, a
 * shared cache would hand it to others.
 */
function cacheControl(current: boolean, authorization: string | undefined): string {
  const age = current ? 300 : 2_592_000;
  const end = current ? ', must-revalidate' : '';
  return authorization === undefined
    ? `public, max-age=${age}, s-maxage=${age}${end}`
    : `private, max-age=${age}${end}`;
}
