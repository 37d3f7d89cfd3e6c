import { isArray, isObject } from '../../src/lib/json.ts';
import type { RegistryClient } from '../../src/oci/client.ts';
import type { Repository } from '../../src/oci/reference.ts';
import { printable } from '../../src/oci/refusal.ts';
import { apiObject, textOf } from './answer.ts';

/**
 * Why the Countersign at the client's registry believes nothing of a repository's trust data, which docker's
 * rules alone do not tell: it holds them to the root that it saw first, and to the newest that it saw.
 * `null` where they count, or nobody tells. Never throws: nothing is decided by it.
 */
export async function askTrustProblem(
  client: RegistryClient,
  repository: Repository,
): Promise<string | null> {
  try {
    const query = new URLSearchParams({ repository }).toString();
    const body = apiObject(await client.api('GET', `/api/v1/repositories?${query}`));
    const found = isArray(body?.['repositories']) ? body['repositories'][0] : undefined;
    if (!isObject(found) || found['repository'] !== repository) return null;
    const problem = printable(textOf(found['problem']));
    return problem === '' ? null : problem;
  } catch {
    return null;
  }
}
