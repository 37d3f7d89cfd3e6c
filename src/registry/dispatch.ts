import type { Answer } from './answer.ts';
import { errorAnswer } from './answer.ts';
import { deleteBlob, getBlob } from './handlers/blobs.ts';
import type { Exchange } from './handlers/exchange.ts';
import { getBase, getCatalog, getReferrers, getTags } from './handlers/listings.ts';
import { deleteManifest, getManifest, putManifest } from './handlers/manifests.ts';
import {
  appendUpload,
  cancelUpload,
  finishUpload,
  startUpload,
  uploadStatus,
} from './handlers/uploads.ts';
import type { Route } from './routes.ts';

type Methods = Readonly<Record<string, () => Promise<Answer>>>;

/** Answers a request by its route and method; a method that the route does not have is 405 with `Allow`. */
export async function dispatch(exchange: Exchange, route: Route): Promise<Answer> {
  const methods = methodsOf(exchange, route);
  const method = exchange.request.method ?? '';
  const handler = Object.hasOwn(methods, method) ? methods[method] : undefined;
  if (handler !== undefined) return handler();
  const allow = Object.keys(methods).join(', ');
  return errorAnswer('METHOD_NOT_ALLOWED', `expected one of ${allow} here`, { Allow: allow });
}

function methodsOf(exchange: Exchange, route: Route): Methods {
  switch (route.kind) {
    case 'base':
      return readable(getBase);
    case 'catalog':
      return readable(async () => getCatalog(exchange));
    case 'tags':
      return readable(async () => getTags(exchange, route));
    case 'referrers':
      return readable(async () => getReferrers(exchange, route));
    case 'blob':
      return {
        ...readable(async () => getBlob(exchange, route)),
        DELETE: async () => deleteBlob(exchange, route),
      };
    case 'manifest':
      return {
        ...readable(async () => getManifest(exchange, route)),
        PUT: async () => putManifest(exchange, route),
        DELETE: async () => deleteManifest(exchange, route),
      };
    case 'uploads':
      return { POST: async () => startUpload(exchange, route) };
    case 'upload':
      return {
        GET: async () => uploadStatus(exchange, route),
        PATCH: async () => appendUpload(exchange, route),
        PUT: async () => finishUpload(exchange, route),
        DELETE: async () => cancelUpload(exchange, route),
      };
  }
}

const readable = (get: () => Promise<Answer>): Methods => ({ GET: get, HEAD: get });
