import type { NotaryRoute } from './notary-path.ts';

/** What a request of the protocol asks for; the metrics count by it. */
export const NOTARY_OPERATIONS = [
  'publish',
  'delete',
  'current',
  'by-hash',
  'by-version',
  'key',
  'rotate-key',
  'changefeed',
  'none',
] as const;
/** One of {@link NOTARY_OPERATIONS}. */
export type NotaryOperation = (typeof NOTARY_OPERATIONS)[number];

/** What a method asks for at a path; `none` where nothing answers it. */
export function operationOf(route: NotaryRoute | null, method: string): NotaryOperation {
  const reads = method === 'GET' || method === 'HEAD';
  switch (route?.kind) {
    case undefined:
      return 'none';
    case 'repository':
      return method === 'POST' ? 'publish' : method === 'DELETE' ? 'delete' : 'none';
    case 'key':
      return method === 'GET' ? 'key' : method === 'POST' ? 'rotate-key' : 'none';
    case 'current':
    case 'by-hash':
    case 'by-version':
    case 'changefeed':
      return reads ? route.kind : 'none';
  }
}
