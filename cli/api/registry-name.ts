import { isObject } from '../../src/lib/json.ts';
import type { RegistryClient } from '../../src/oci/client.ts';
import type { Reference } from '../../src/oci/reference.ts';
import { formatReference, parseHost, repositoryOf } from '../../src/oci/reference.ts';
import { textOf } from './answer.ts';

/**
 * What an image is called at its registry, where it was asked for under another name of the host, as a
 * hint for people: trust data are kept under the one name alone. `null` where the names are the same, or
 * nobody tells. Nothing is decided by it. Never throws.
 */
export async function nameAtRegistry(
  client: RegistryClient,
  image: Pick<Reference, 'path' | 'tag' | 'digest'>,
): Promise<string | null> {
  const host = await registryName(client);
  if (host === null || host === client.host) return null;
  const repository = repositoryOf(host, image.path);
  return repository.ok ? formatReference({ ...image, repository: repository.value }) : null;
}

/** The sentence that names it, to be put behind what went wrong; empty where there is nothing to say. */
export async function nameHint(
  client: RegistryClient,
  image: Pick<Reference, 'path' | 'tag' | 'digest'>,
): Promise<string> {
  const name = await nameAtRegistry(client, image);
  if (name === null) return '';
  return `; ${client.host} is another name of this registry, which keeps trust data under its own: use ${name}`;
}

/** The host that the Countersign at the client's registry goes by; `null` where none tells. Never throws. */
export async function registryName(client: RegistryClient): Promise<string | null> {
  try {
    const { status, body } = await client.api('GET', '/api/v1/openapi.json');
    const info = status === 200 && isObject(body) ? body['info'] : undefined;
    const host = parseHost(isObject(info) ? textOf(info['x-registry']) : '');
    return host.ok ? host.value : null;
  } catch {
    return null;
  }
}
