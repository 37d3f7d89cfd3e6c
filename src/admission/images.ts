import type { Json, JsonObject } from '../lib/json.ts';
import { isArray, isObject } from '../lib/json.ts';
import type { Result } from '../lib/result.ts';
import { ok, refuse } from '../lib/result.ts';
import { plain } from '../policy/message.ts';
import {
  CONTAINER_FIELDS,
  POD_FIELDS,
  VOLUME_FIELDS,
  lookalikeOf,
  strangeImage,
} from './strange-images.ts';

/** One place of a pod spec that names an image. */
export interface ImageUse {
  /** JSON pointer (RFC 6901) of the member that holds the reference, from the object's root. */
  readonly pointer: string;
  /** Which entry of which list it belongs to, for comparing with what was there before; `null` for an entry without a name of its own. */
  readonly slot: string | null;
  /** For a person: `container app`, `volume models`. */
  readonly label: string;
  /** The reference as written; `null` where there is none. */
  readonly image: string | null;
}

/** The lists of containers (T-42, T-43), and what one of their entries is called. */
const CONTAINERS = [
  ['initContainers', 'initContainer'],
  ['containers', 'container'],
  ['ephemeralContainers', 'ephemeralContainer'],
] as const;

/**
 * Every image of a pod spec, in the order of its lists; `at` is the spec's own JSON pointer. Refuses
 * what has not the shape of a pod spec: an image must not hide in what is read differently elsewhere.
 */
export function imagesOf(spec: JsonObject, at: string): Result<readonly ImageUse[]> {
  const uses: ImageUse[] = [];
  for (const [list, noun] of CONTAINERS) {
    const found = entries(spec, list, at, CONTAINER_FIELDS);
    if (!found.ok) return found;
    for (const { entry, pointer } of found.value) {
      const use = useOf(entry, 'image', { list, noun, name: entry['name'], pointer });
      if (!use.ok) return use;
      uses.push(use.value);
    }
  }
  const volumes = entries(spec, 'volumes', at, VOLUME_FIELDS);
  if (!volumes.ok) return volumes;
  for (const { entry, pointer } of volumes.value) {
    const image = entry['image'] ?? null;
    if (image === null) continue;
    if (!isObject(image)) return misshapen(`${pointer}/image`, 'an object');
    const where = { list: 'volumes', noun: 'volume', name: entry['name'] };
    const use = useOf(image, 'reference', { ...where, pointer: `${pointer}/image` });
    if (!use.ok) return use;
    uses.push(use.value);
  }
  const strange = strangeImage(spec, POD_FIELDS);
  return strange === undefined ? ok(uses) : unknownField(`${at}/${strange}`);
}

/**
 * The uses that are new or different from what the same entry of the same list named before. An image
 * that moves to another container counts as new there: nobody has looked at that one (T-48). Names
 * that stand twice in a list tell nothing and match nothing.
 */
export function changedImages(
  now: readonly ImageUse[],
  before: readonly ImageUse[],
): readonly ImageUse[] {
  const old = new Map<string, string | null | undefined>();
  for (const { slot, image } of before) {
    if (slot !== null) old.set(slot, old.has(slot) ? undefined : image);
  }
  return now.filter(({ slot, image }) => slot === null || old.get(slot) !== image);
}

function entries(
  spec: JsonObject,
  list: string,
  at: string,
  known: ReadonlySet<string>,
): Result<readonly { readonly entry: JsonObject; readonly pointer: string }[]> {
  const value = spec[list] ?? null;
  if (value === null) return ok([]);
  if (!isArray(value)) return misshapen(`${at}/${list}`, 'a list');
  const found: { entry: JsonObject; pointer: string }[] = [];
  for (const [index, entry] of value.entries()) {
    const pointer = `${at}/${list}/${index}`;
    if (!isObject(entry)) return misshapen(pointer, 'an object');
    const strange = strangeImage(entry, known);
    if (strange !== undefined) return unknownField(`${pointer}/${strange}`);
    found.push({ entry, pointer });
  }
  return ok(found);
}

interface Where {
  readonly list: string;
  readonly noun: string;
  readonly name: Json | undefined;
  readonly pointer: string;
}

function useOf(
  holder: JsonObject,
  member: string,
  { list, noun, name, pointer }: Where,
): Result<ImageUse> {
  const lookalike = lookalikeOf(holder, member);
  if (lookalike !== undefined) return misshapen(`${pointer}/${lookalike}`, `only ${member}`);
  const image = holder[member] ?? null;
  if (image !== null && typeof image !== 'string')
    return misshapen(`${pointer}/${member}`, 'a string');
  const named = typeof name === 'string' && name !== '';
  return ok({
    pointer: `${pointer}/${member}`,
    slot: named ? `${list}\n${name}` : null,
    label: `${noun} ${named ? plain(name, 63) : '(unnamed)'}`,
    image: image === '' ? null : image,
  });
}

const misshapen = (pointer: string, expected: string): Result<never> =>
  refuse('REQUEST_INVALID', `expected ${expected} at ${plain(pointer, 120)}`);

const unknownField = (pointer: string): Result<never> =>
  refuse(
    'REQUEST_INVALID',
    `${plain(pointer, 120)} names an image in a field that this version does not know; use a newer countersign`,
  );
