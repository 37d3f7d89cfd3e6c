import { refused } from '../../gate/outcome.ts';
import { parseHistoryQuery, readHistory } from '../../history/history.ts';
import type { Reference } from '../../oci/reference.ts';
import type { ApiAnswer, ApiRequest } from './api-request.ts';
import { imageOf } from './api-request.ts';

/** `GET /api/v1/history`: events, newest first; of one image where the caller may pull it, of all for administrators. */
export async function history({ ports, query, caller }: ApiRequest): Promise<ApiAnswer> {
  const { access, store } = ports.gate.ports;
  let about: Reference | null = null;
  if (query['image'] === undefined) {
    const hosts = ports.registries.map((one) => one.host);
    if (!access.mayEverywhere(caller, 'admin', hosts)) {
      return refused(
        'FORBIDDEN',
        `${caller.name} may not read the whole record; name an image, or ask for admin`,
      );
    }
  } else {
    const image = imageOf(ports, query['image']);
    if ('kind' in image) return image;
    about = image.reference;
    if (!access.may(caller, 'pull', about.repository)) {
      return refused('FORBIDDEN', `${caller.name} may not pull from ${about.repository}`);
    }
  }
  const filter = parseHistoryQuery(about, query);
  if (!filter.ok) return refused(filter.refusal.code, filter.refusal.message);
  return { kind: 'json', body: await readHistory(store, filter.value) };
}
