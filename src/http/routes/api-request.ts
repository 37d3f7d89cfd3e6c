import type { Caller } from '../../gate/caller.ts';
import type { Refused } from '../../gate/outcome.ts';
import { refused } from '../../gate/outcome.ts';
import type { GateRegistry } from '../../gate/ports.ts';
import type { Relayed } from '../../gate/upstream.ts';
import type { JsonObject } from '../../lib/json.ts';
import type { Reference } from '../../oci/reference.ts';
import { parseReference, repositoryOf } from '../../oci/reference.ts';
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

/** An image that the API was asked about: its registry must be one of ours; aliases become the one canonical name. */
export function imageOf(
  ports: HttpPorts,
  text: unknown,
): { readonly reference: Reference; readonly registry: GateRegistry } | Refused {
  if (typeof text !== 'string')
    return refused('REQUEST_INVALID', 'expected "image" to be a reference such as host/repo:tag');
  const parsed = parseReference(text);
  if (!parsed.ok) return refused(parsed.refusal.code, parsed.refusal.message);
  const { host, path } = parsed.value;
  const registry = ports.registries.find((one) => one.host === host || one.aliases.includes(host));
  if (registry === undefined) {
    const known = ports.registries.map((one) => one.host).join(', ');
    return refused('REFERENCE_INVALID', `expected an image of ${known}, found one of ${host}`);
  }
  const repository = repositoryOf(registry.host, path);
  if (!repository.ok) return refused(repository.refusal.code, repository.refusal.message);
  return {
    reference: { ...parsed.value, host: registry.host, repository: repository.value },
    registry,
  };
}
