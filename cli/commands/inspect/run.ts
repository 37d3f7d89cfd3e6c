import { basename, extname } from 'node:path';
import { CountersignError, codeOf, messageOf } from '../../../src/lib/errors.ts';
import { mapParallel } from '../../../src/lib/parallel.ts';
import { unwrap } from '../../../src/lib/result.ts';
import type { RegistryClient } from '../../../src/oci/client.ts';
import type { Reference } from '../../../src/oci/reference.ts';
import { formatReference, parseReference } from '../../../src/oci/reference.ts';
import type { Authority } from '../../../src/trust/format.ts';
import { isEvidenceTag } from '../../../src/trust/formats.ts';
import type { Context } from '../../commands.ts';
import { readPublicKey } from '../../public-key-file.ts';
import type { RegistryFlags } from '../../registry.ts';
import { openRegistry } from '../../registry.ts';
import { parseServer } from '../../server.ts';
import { findPlaces, loadFrom } from '../policy/places.ts';
import type { Inspected, Look } from './look.ts';
import { lookAtServer, lookWithKeys } from './look.ts';
import { describeInspected, dockerShape } from './show.ts';

/** The options of `inspect`. */
export interface InspectFlags extends RegistryFlags {
  readonly format?: 'docker';
  readonly server?: string;
  readonly policies?: string;
  readonly key?: readonly string[];
}

/** Tags of a repository that are looked at; the rest are named in a warning. */
const MOST_TAGS = 1000;
const WIDTH = 6;

/** `inspect`: exit 0 where anything is signed by somebody known, 1 where nothing is, 3 where it could not be read. */
export async function runInspect(
  context: Context,
  text: string,
  flags: InspectFlags,
): Promise<void> {
  const image = unwrap(parseReference(text));
  const output = context.output();
  const authorities = await givenAuthorities(context, image, flags);
  const registry = openRegistry(image, flags, context.env);
  const server = flags.server === undefined ? image.host : parseServer(flags.server);
  const asked =
    server === image.host ? registry : openRegistry({ host: server }, flags, context.env);
  try {
    const look = authorities === null ? lookAtServer(asked) : lookWithKeys(registry, authorities);
    const one = image.tag !== undefined || image.digest !== undefined;
    const references = one ? [image] : await tagged(registry, image, (said) => output.warn(said));
    const looked = await mapParallel(references, WIDTH, async (each) => lookAt(each, look, one));
    const images = looked.flatMap((each) => (each === null || 'unread' in each ? [] : each));
    const unread = looked.flatMap((each) => (each !== null && 'unread' in each ? each.unread : []));
    for (const said of unread) output.warn(said);
    if (images.length === 0 && unread.length === 0) {
      throw new CountersignError(
        'MANIFEST_UNKNOWN',
        `expected an image ${formatReference(image)} in the registry, found none`,
      );
    }
    if (flags.format === 'docker') {
      const shape = dockerShape(image.repository, images);
      output.result(shape, JSON.stringify(shape, null, 4));
    } else {
      const name = formatReference(image);
      const data = { repository: image.repository, images, unread };
      output.result(data, () => describeInspected(name, images));
    }
    const incomplete = unread.length > 0 || images.some((each) => each.problems.length > 0);
    const signed = images.some((each) => each.signatures.length > 0);
    context.exit(incomplete ? 3 : signed ? 0 : 1);
  } finally {
    await registry.close();
    if (asked !== registry) await asked.close();
  }
}

/** The keys that `--policies` or `--key` name; `null` where a Countersign is to be asked. */
async function givenAuthorities(
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

async function tagged(
  client: RegistryClient,
  image: Reference,
  warn: (said: string) => void,
): Promise<readonly Reference[]> {
  const all = await client.tags(image.path);
  const tags = all.filter((tag) => !isEvidenceTag(tag));
  if (tags.length > MOST_TAGS) {
    warn(`${image.repository} has ${tags.length} tags; only the first ${MOST_TAGS} are shown`);
  }
  return tags.slice(0, MOST_TAGS).map((tag) => ({ ...image, tag }));
}

/** Of many tags one that cannot be read is said and left out; of one image it is the command's failure. */
async function lookAt(
  image: Reference,
  look: Look,
  alone: boolean,
): Promise<Inspected | { readonly unread: string } | null> {
  try {
    return await look(image);
  } catch (error) {
    const code = codeOf(error);
    // Held, or gone since the list was read.
    if (code === 'MANIFEST_UNKNOWN' && !alone) return null;
    if (alone || code === 'INTERNAL' || code === 'CANNOT_VERIFY') throw error;
    return { unread: `${formatReference(image)}: ${messageOf(error)}` };
  }
}
