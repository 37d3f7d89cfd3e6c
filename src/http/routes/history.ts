import { refused } from '../../gate/outcome.ts';
import { parseHistoryQuery, readHistory } from '../../history/history.ts';
import type { Reference } from '../../oci/reference.ts';
import type { ApiAnswer, ApiRequest } from './api-request.ts';
import { imageOf } from './api-request.ts';

/** `GET /api/v1/history`: events, newest first; of one image where the caller may pull it, of all for administrators. */
export async function history({ ports, query, caller }: ApiRequest): Promise<ApiAnswer> {
  const { access, store } = ports.gate.ports;
  const { image: asked, ...parameters } = query;
  let about: Reference | null = null;
  if (asked === undefined) {
    const hosts = ports.registries.map((one) => one.host);
    if (!access.mayEverywhere(caller, 'admin', hosts)) {
      const message = `${caller.name} may not read the whole record; name an image, or ask for admin`;
      return refused('FORBIDDEN', message);
    }
  } else {
    const image = imageOf(ports, asked);
    if ('kind' in image) return image;
    about = image.reference;
    if (!access.may(caller, 'pull', about.repository)) {
      return refused('FORBIDDEN', `${caller.name} may not pull from ${about.repository}`);
    }
  }
  const wanted = parseHistoryQuery(about, parameters);
  if (!wanted.ok) return refused(wanted.refusal.code, wanted.refusal.message);
  return { kind: 'json', body: await readHistory(store, wanted.value) };
}
