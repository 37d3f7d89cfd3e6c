import { unwrap } from '../../../src/lib/result.ts';
import { loadTrust } from '../../../src/trust/dct/load.ts';
import { parseSignerName } from '../../../src/trust/dct/signer-name.ts';
import { addSigner } from '../../../src/trust/dct/signers.ts';
import { canonicalKeyId, tufKeyOf } from '../../../src/tuf/public-key.ts';
import type { Context } from '../../commands.ts';
import { readPublicKey } from '../../public-key-file.ts';
import type { TrustFlags } from '../../trust-server.ts';
import { forEachRepository, parseRepositories } from '../../each-repository.ts';

/** The options of `signer add`. */
export interface AddFlags extends TrustFlags {
  readonly key: readonly string[];
  readonly renew?: boolean;
}

/** `signer add`: names and keys are read before anything is sent. */
export async function runAdd(
  context: Context,
  name: string,
  texts: readonly string[],
  flags: AddFlags,
): Promise<void> {
  unwrap(parseSignerName(name));
  const repositories = parseRepositories(texts);
  const keys = await Promise.all(
    flags.key.map(async (file) => tufKeyOf(await readPublicKey(file))),
  );
  const outcomes = await forEachRepository(context, repositories, flags, async (session, gun) => {
    const begun = (await loadTrust(session, gun)).kind === 'none';
    const changed = await addSigner(session, { gun, name, keys, renew: flags.renew ?? false });
    return { changed, begun };
  });
  const data = { signer: name, keys: keys.map(canonicalKeyId), repositories: outcomes };
  context.output().result(data, () =>
    outcomes
      .flatMap(({ repository, done }) => {
        if (done === null) return [];
        if (!done.changed) return [`${name} was a signer of ${repository} before`];
        const begun = done.begun ? ', whose trust data begin with it' : '';
        return [`${name} signs for ${repository} now${begun}`];
      })
      .join('\n'),
  );
}
