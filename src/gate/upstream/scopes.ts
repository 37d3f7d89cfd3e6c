const CONTENT =
  /^\/v2\/(.+)\/(?:manifests\/[^/]+|blobs\/uploads\/.*|blobs\/[^/]+|tags\/list|referrers\/[^/]+)$/;
const BLOB = /^\/v2\/.+\/blobs\/[a-z0-9]+:[0-9a-f]+$/;

/**
 * The token scopes that a request needs (distribution, "Token Scope Documentation"): of the one
 * repository that it names, and of the one that a mount reads from. The name is matched from the
 * right, as everywhere: a component may be called `blobs`.
 */
export function scopesOf(method: string, target: string): readonly string[] {
  const [path = '', query = ''] = target.split('?', 2);
  if (path === '/v2/_catalog') return ['registry:catalog:*'];
  const name = CONTENT.exec(path)?.[1];
  if (name === undefined) return [];
  const scopes = [`repository:${name}:${actions(method, path)}`];
  const from = new URLSearchParams(query).get('from');
  if (method === 'POST' && from !== null) scopes.push(`repository:${from}:pull`);
  return scopes;
}

function actions(method: string, path: string): string {
  if (path.includes('/blobs/uploads/')) return 'pull,push';
  if (method === 'GET' || method === 'HEAD') return 'pull';
  return method === 'DELETE' ? 'pull,delete' : 'pull,push';
}

/** True for a read of a blob: content that its digest vouches for wherever it comes from. */
export function readsBlob(method: string, target: string): boolean {
  return (method === 'GET' || method === 'HEAD') && BLOB.test(target.split('?', 1)[0] ?? '');
}
