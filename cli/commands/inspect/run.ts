import { CountersignError, codeOf, messageOf } from '../../../src/lib/errors.ts';
import { mapParallel } from '../../../src/lib/parallel.ts';
import { unwrap } from '../../../src/lib/result.ts';
import type { RegistryClient } from '../../../src/oci/client.ts';
import type { Reference } from '../../../src/oci/reference.ts';
import { formatReference, parseReference } from '../../../src/oci/reference.ts';
import { isEvidenceTag } from '../../../src/trust/formats.ts';
import { nameHint } from '../../api/registry-name.ts';
import type { Context } from '../../commands.ts';
import { dockerJson, dockerPretty } from '../../docker-trust/report.ts';
import type { RegistryFlags } from '../../registry.ts';
import { openRegistry } from '../../registry.ts';
import { parseServer } from '../../server.ts';
import { givenAuthorities } from './authorities.ts';
import type { Inspected, Look } from './look.ts';
import { lookAtServer, lookWithKeys } from './look.ts';
import { describeInspected, describeSignedMap, dockerShape } from './show.ts';
import { readSignedMap, trySignedMap } from './signed-map.ts';

/** The options of `inspect`. */
export interface InspectFlags extends RegistryFlags {
  readonly format?: 'docker';
  readonly pretty?: boolean;
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
  const asDocker = flags.format === 'docker' || flags.pretty === true;
  if (asDocker && authorities === null) {
    const report = await readSignedMap(context, image, flags);
    if (report !== null) {
      const shape = [dockerJson(text, report)];
      const shown = (): string =>
        flags.pretty === true ? dockerPretty(text, report) : JSON.stringify(shape, null, 4);
      output.result(shape, shown);
      context.exit(report.tags.length > 0 ? 0 : 1);
      return;
    }
  }
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
    const map =
      authorities === null && !asDocker
        ? await trySignedMap(context, image, flags)
        : { report: null, unread: [] };
    const unread = [
      ...looked.flatMap((each) => (each !== null && 'unread' in each ? each.unread : [])),
      ...map.unread,
    ];
    for (const said of unread) output.warn(said);
    if (authorities === null && map.report === null && server === image.host) {
      const hint = await nameHint(registry, image);
      if (hint !== '') output.note(`no trust data of ${image.repository}${hint}`);
    }
    if (
      images.length === 0 &&
      unread.length === 0 &&
      map.report === null &&
      (!asDocker || flags.pretty === true)
    ) {
      throw new CountersignError(
        'MANIFEST_UNKNOWN',
        `expected an image ${formatReference(image)} in the registry, found none`,
      );
    }
    if (asDocker) {
      const shape = images.length === 0 ? [] : dockerShape(image.repository, images);
      output.result(shape, () =>
        flags.pretty === true
          ? describeInspected(formatReference(image), images)
          : JSON.stringify(shape, null, 4),
      );
    } else {
      const name = formatReference(image);
      const data = { repository: image.repository, images, signedMap: map.report, unread };
      output.result(data, () => {
        const shown = images.length === 0 ? [] : [describeInspected(name, images)];
        if (map.report !== null) shown.push(describeSignedMap(map.report));
        return shown.join('\n');
      });
    }
    const incomplete = unread.length > 0 || images.some((each) => each.problems.length > 0);
    const mapped = (map.report?.tags.length ?? 0) > 0;
    const signed = mapped || images.some((each) => each.signatures.length > 0);
    context.exit(incomplete ? 3 : signed ? 0 : 1);
  } finally {
    await registry.close();
    if (asked !== registry) await asked.close();
  }
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
