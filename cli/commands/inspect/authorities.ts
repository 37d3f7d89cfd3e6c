import { basename, extname } from 'node:path';
import { CountersignError } from '../../../src/lib/errors.ts';
import type { Reference } from '../../../src/oci/reference.ts';
import type { Authority } from '../../../src/trust/format.ts';
import type { Context } from '../../commands.ts';
import { readPublicKey } from '../../public-key-file.ts';
import { findPlaces, loadFrom } from '../policy/places.ts';
import type { InspectFlags } from './run.ts';

/** The keys that `--policies` or `--key` name; `null` where a Countersign is to be asked. */
export async function givenAuthorities(
  context: Context,
  image: Reference,
  flags: InspectFlags,
): Promise<readonly Authority[] | null> {
  const files = flags.key ?? [];
  if (flags.policies === undefined && files.length === 0) return null;
  if (flags.server !== undefined) {
    throw new CountersignError(
      'USAGE',
      'expected either --server, or --policies and --key; found both',
    );
  }
  const places = await findPlaces(context, { registry: image.host });
  const policies = flags.policies === undefined ? null : await loadFrom(flags.policies, places);
  const keys = await Promise.all(
    files.map(async (file): Promise<Authority> => {
      return { name: basename(file, extname(file)), keys: [await readPublicKey(file)] };
    }),
  );
  return [...(policies?.authorities ?? []), ...keys];
}
