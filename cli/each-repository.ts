import { CountersignError, ERRORS, codeOf, messageOf } from '../src/lib/errors.ts';
import { unwrap } from '../src/lib/result.ts';
import type { Repository } from '../src/oci/reference.ts';
import { parseReference, splitRepository } from '../src/oci/reference.ts';
import type { TrustSession } from '../src/trust/dct/session.ts';
import type { Context } from './commands.ts';
import type { TrustFlags } from './trust-server.ts';
import { nameHint } from './api/registry-name.ts';
import { openRegistry } from './registry.ts';
import { openTrust } from './trust-server.ts';

/** A repository as it was named, and what became of it. */
export interface Outcome<T> {
  readonly repository: Repository;
  /** What was done; `null` where it failed. */
  readonly done: T | null;
  readonly error: { readonly code: string; readonly message: string } | null;
}

/** Reads repositories, all of them before anything is done. Throws USAGE for a tag or digest: signers are the repository's. */
export function parseRepositories(texts: readonly string[]): readonly Repository[] {
  return texts.map((text) => {
    const { repository, tag, digest } = unwrap(parseReference(text));
    if (tag === undefined && digest === undefined) return repository;
    throw new CountersignError(
      'USAGE',
      `expected a repository without tag or digest, found ${text}; write ${repository}`,
    );
  });
}

/**
 * Does the same to each repository; where one fails the others are done all the same, and the exit
 * status is that of the worst failure.
 */
export async function forEachRepository<T>(
  context: Context,
  repositories: readonly Repository[],
  flags: TrustFlags,
  work: (session: TrustSession, repository: Repository) => Promise<T>,
): Promise<readonly Outcome<T>[]> {
  const output = context.output();
  const outcomes: Outcome<T>[] = [];
  let worst = 0;
  for (const repository of repositories) {
    const { host } = splitRepository(repository);
    const session = openTrust(host, flags, context.env, (line) => output.note(line));
    try {
      outcomes.push({ repository, done: await work(session, repository), error: null });
    } catch (error) {
      const code = codeOf(error);
      if (code === 'INTERNAL') throw error;
      const strange = code === 'NO_TRUST_SERVICE' || code === 'NO_TRUST_DATA';
      const message = `${messageOf(error)}${strange ? await hintOf(context, repository, flags) : ''}`;
      outcomes.push({ repository, done: null, error: { code, message } });
      worst = Math.max(worst, ERRORS[code].exit);
      output.fail(`${repository}: ${message}`);
    } finally {
      await session.server.close();
    }
  }
  if (worst !== 0) context.exit(worst as 1 | 2 | 3);
  return outcomes;
}

/** The repository's own name, where another one of its host was given. */
async function hintOf(
  { env }: Context,
  repository: Repository,
  flags: TrustFlags,
): Promise<string> {
  const { host, path } = splitRepository(repository);
  const client = openRegistry({ host }, flags, env);
  try {
    return await nameHint(client, { path });
  } finally {
    await client.close();
  }
}
