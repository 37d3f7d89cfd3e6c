import { refused, refusedByFailure } from '../gate/outcome.ts';
import type { Refused } from '../gate/outcome.ts';
import { isObject } from '../lib/json.ts';
import type { Json, JsonObject } from '../lib/json.ts';
import { LIMITS } from '../lib/limits.ts';
import type { Result } from '../lib/result.ts';
import { ok, refuse } from '../lib/result.ts';
import type { AskedImage } from './asked-image.ts';
import { withinDeadline } from './deadline.ts';
import type { ImageUse } from './images.ts';
import { changedImages, imagesOf } from './images.ts';
import { kindName, placeOf } from './kinds.ts';
import { pinImage } from './pin-image.ts';
import type { AdmissionPorts } from './ports.ts';
import { admissionCaller } from './ports.ts';
import type { Review } from './review.ts';
import { lookalikeOf } from './strange-images.ts';
import { validateImage } from './validate-image.ts';
import type { ImageVerdict } from './verdict.ts';
import { leftAlone, refusal } from './verdict.ts';

/** Which of the two webhooks was called. */
export type Webhook = 'validate' | 'mutate';

/** One image of the object and what is said of it. */
export interface JudgedUse {
  readonly use: ImageUse;
  readonly verdict: ImageVerdict;
}

/** How a review ends: by what is said of its images, or refused as a whole. */
export type Admission =
  { readonly kind: 'judged'; readonly images: readonly JudgedUse[] } | Refused;

/**
 * Answers a review within `ms` milliseconds. On UPDATE only images that changed are looked at, so
 * that an object whose signer was revoked can still report its status and be deleted. Nothing else in
 * the object or its namespace is: no label or annotation (T-49, T-51), no owner (T-48), no number of
 * replicas (T-45), no deletion under way (T-46). Rejects only for what is unexpected.
 */
export async function admit(
  ports: AdmissionPorts,
  webhook: Webhook,
  review: Review,
  ms: number,
): Promise<Admission> {
  const uses = usesOf(review);
  if (!uses.ok) return refused(uses.refusal.code, uses.refusal.message);
  const caller = admissionCaller(review.username, ports.ownRights);
  const ask = webhook === 'validate' ? validateImage : pinImage;
  // The same image in twenty containers is one question.
  const images = [...new Set(uses.value.flatMap(({ image }) => image ?? []))];
  const verdicts = await withinDeadline(images, LIMITS.admissionWidth, ms, (image, expired) =>
    answered(ports, ask, { image, caller, dryRun: review.dryRun, expired }),
  );
  const said = new Map(images.map((image, index) => [image, verdicts[index] ?? 'late']));
  return {
    kind: 'judged',
    images: uses.value.map((use) => ({
      use,
      verdict: use.image === null ? unnamed(webhook) : inTime(use.image, said.get(use.image)),
    })),
  };
}

async function answered(
  ports: AdmissionPorts,
  ask: (ports: AdmissionPorts, asked: AskedImage) => Promise<ImageVerdict>,
  asked: AskedImage,
): Promise<ImageVerdict> {
  try {
    return await ask(ports, asked);
  } catch (error) {
    ports.gate.ports.log.warn({ error }, 'an image could not be judged for admission');
    const { code, message } = refusedByFailure(error);
    return refusal({ code, message: `${asked.image}: ${message}` });
  }
}

function inTime(image: string, verdict: ImageVerdict | 'late' | undefined): ImageVerdict {
  if (verdict !== undefined && verdict !== 'late') return verdict;
  const message = `${image} cannot be verified: no answer in time; try again`;
  return refusal({ code: 'CANNOT_VERIFY', message });
}

/** Where no image is named, something else may still fill it in; what is left empty does not pass. */
function unnamed(webhook: Webhook): ImageVerdict {
  if (webhook === 'mutate') return leftAlone(null, 'no image');
  return refusal({ code: 'REFERENCE_INVALID', message: 'expected an image, found none' });
}

/** The images that a review is about. */
function usesOf(review: Review): Result<readonly ImageUse[]> {
  const { operation, kind, subResource, object, oldObject } = review;
  if (operation === 'DELETE' || operation === 'CONNECT') return ok([]);
  const place = placeOf(kind, subResource);
  if (place.kind === 'nothing') return ok([]);
  if (place.kind === 'unknown')
    return refuse(
      'UNSUPPORTED',
      `expected a Pod or a built-in workload, found ${kindName(kind)}, in which images cannot be found; leave it out of the webhook's rules (its Pods are checked)`,
    );
  const now = imagesAt(object, review, place.path);
  if (!now.ok) return now;
  const before = operation === 'UPDATE' ? imagesAt(oldObject, review, place.path) : null;
  // An older self that cannot be read excuses nothing.
  const uses = before?.ok === true ? changedImages(now.value, before.value) : now.value;
  if (uses.length > LIMITS.admissionImages)
    return refuse(
      'TOO_LARGE',
      `expected at most ${LIMITS.admissionImages} images, found ${uses.length}`,
    );
  return ok(uses);
}

function imagesAt(
  object: Json,
  { kind }: Review,
  path: readonly string[],
): Result<readonly ImageUse[]> {
  const bad = (expected: string): Result<never> =>
    refuse('REQUEST_INVALID', `expected ${expected} in ${kindName(kind)}`);
  if (!isObject(object)) return bad('an object');
  if ((object['kind'] ?? kind.kind) !== kind.kind) return bad('the kind that the review names');
  let spec: JsonObject = object;
  for (const name of path) {
    if (lookalikeOf(spec, name) !== undefined) return bad(`${name} in its own spelling only`);
    const next = spec[name];
    if (!isObject(next)) return bad(`a pod spec at /${path.join('/')}`);
    spec = next;
  }
  return imagesOf(spec, `/${path.join('/')}`);
}
