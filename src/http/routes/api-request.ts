import type { Caller } from '../../gate/access/caller.ts';
import type { NamedImage } from '../../gate/decisions/named-image.ts';
import { namedImage } from '../../gate/decisions/named-image.ts';
import type { Refused } from '../../gate/outcome.ts';
import { refused } from '../../gate/outcome.ts';
import type { GateRegistry } from '../../gate/ports.ts';
import type { Relayed } from '../../gate/upstream/upstream.ts';
import type { JsonObject } from '../../lib/json.ts';
import type { HttpPorts } from '../ports.ts';

/** One request of `/api/v1/`, after host and identity. */
export interface ApiRequest {
  readonly ports: HttpPorts;
  readonly caller: Caller;
  readonly registry: GateRegistry;
  readonly query: Readonly<Record<string, string>>;
  readonly params: Readonly<Record<string, string>>;
  /** The body of a POST: strict JSON, an object. */
  readonly body: JsonObject;
}

/** What an API handler answers: JSON, bytes, a refusal, or upstream's own answer. */
export type ApiAnswer =
  | { readonly kind: 'json'; readonly body: unknown }
  | { readonly kind: 'bytes'; readonly body: Uint8Array; readonly contentType: string }
  | Refused
  | Relayed;

/** An image that the API was asked about; see {@link namedImage}. */
export function imageOf(ports: HttpPorts, text: unknown): NamedImage | Refused {
  if (typeof text !== 'string')
    return refused('REQUEST_INVALID', 'expected "image" to be a reference such as host/repo:tag');
  const named = namedImage(ports.registries, text);
  return named.ok ? named.value : refused(named.refusal.code, named.refusal.message);
}
