import { CountersignError, codeOf, messageOf } from '../../../src/lib/errors.ts';
import { unwrap } from '../../../src/lib/result.ts';
import type { RegistryClient } from '../../../src/oci/client.ts';
import type { Repository } from '../../../src/oci/reference.ts';
import { parseHost, parseReference, repositoryOf } from '../../../src/oci/reference.ts';

/** What one argument names: a repository, or with `path` `null` every repository of a registry. */
export interface Target {
  readonly host: string;
  readonly path: string | null;
  /** `HOST/NAME`, or `HOST/**`. */
  readonly name: string;
}

const HOST_ALONE = /^(?:localhost|[^/@]*[.:\]][^/@]*)\/?$/;

/** Reads the REPOSITORY arguments; without any, all of the `--server`. Throws USAGE for what is neither repository nor host. */
export function parseTargets(
  texts: readonly string[],
  server: string | undefined,
): readonly Target[] {
  if (texts.length === 0 && server === undefined) {
    throw new CountersignError(
      'USAGE',
      'expected repositories to scan: HOST/NAME, or HOST for all of a registry',
    );
  }
  const targets = (texts.length === 0 && server !== undefined ? [server] : texts).map(parseTarget);
  const named = new Map(targets.map((target) => [target.name, target]));
  return [...named.values()];
}

function parseTarget(text: string): Target {
  if (HOST_ALONE.test(text)) {
    const host = parseHost(text.replace(/\/$/, ''));
    if (host.ok) return { host: host.value, path: null, name: `${host.value}/**` };
  }
  const parsed = parseReference(text);
  if (!parsed.ok)
    throw new CountersignError(
      'USAGE',
      `${parsed.refusal.message}; write a repository as HOST/NAME`,
    );
  const { host, path, repository, tag, digest } = parsed.value;
  if (tag !== undefined || digest !== undefined) {
    throw new CountersignError(
      'USAGE',
      `expected a repository, found the image ${text.slice(0, 120)}; one image is judged by: countersign verify`,
    );
  }
  return { host, path, name: repository };
}

/** A repository to be scanned. */
export interface ScannedRepository {
  readonly host: string;
  readonly path: string;
  readonly repository: Repository;
  /** False where the registry's own list named it: then it may be empty. */
  readonly named: boolean;
}

/** The repositories that the targets name, each once. Throws with advice where a registry does not list its own. */
export async function repositoriesOf(
  targets: readonly Target[],
  clientOf: (host: string) => RegistryClient,
): Promise<readonly ScannedRepository[]> {
  const found = new Map<Repository, ScannedRepository>();
  const add = (host: string, path: string, named: boolean): void => {
    const repository = repositoryOf(host, path);
    // A name that is too long with this host cannot be pulled by it either.
    if (!repository.ok && !named) return;
    const name = unwrap(repository);
    if (named || !found.has(name)) found.set(name, { host, path, repository: name, named });
  };
  for (const { host, path } of targets) {
    if (path !== null) add(host, path, true);
    else for (const one of await catalogOf(clientOf(host))) add(host, one, false);
  }
  return [...found.values()];
}

async function catalogOf(client: RegistryClient): Promise<readonly string[]> {
  const { host } = client;
  const advice = 'name them: countersign scan HOST/NAME…';
  let all: readonly string[] | null;
  try {
    all = await client.repositories();
  } catch (error) {
    const code = codeOf(error);
    if (code === 'FORBIDDEN' || code === 'UNAUTHENTICATED')
      throw openQuestion(`${messageOf(error)}; or ${advice}`, error);
    if (code !== 'UNSUPPORTED') throw error;
    throw new CountersignError(code, `${messageOf(error)}; or ${advice}`, { cause: error });
  }
  if (all === null)
    throw new CountersignError('UNSUPPORTED', `${host} does not list its repositories; ${advice}`);
  // Nothing to see is no clean bill: the list is filtered by what the caller may pull.
  if (all.length === 0) {
    throw openQuestion(
      `${host} lists no repositories to this login; log in as whoever may pull them (docker login ${host}), or ${advice}`,
    );
  }
  return all;
}

/** A refusal of the list says nothing about the images: it ends with 3, where 1 would mean that some are refused. */
function openQuestion(message: string, cause?: unknown): CountersignError {
  return new CountersignError('CANNOT_VERIFY', message, { cause });
}
