import { quote } from '../../lib/quote.ts';
import type { ImageQuestion } from '../../gate/decisions/decide-image.ts';
import { decideImage } from '../../gate/decisions/decide-image.ts';
import type { Gate } from '../../gate/gate.ts';
import type { Refused } from '../../gate/outcome.ts';
import { refused, refusedByFailure } from '../../gate/outcome.ts';
import type { Survey } from '../../gate/decisions/survey.ts';
import type { Relayed } from '../../gate/upstream/upstream.ts';
import type { Digest } from '../../oci/digest.ts';
import { decisionJson } from '../../policy/decision-json.ts';
import type { ApiAnswer, ApiRequest } from './api-request.ts';
import { imageOf } from './api-request.ts';

const KEYS = ['image', 'action', 'record', 'survey', 'size'];
const SURVEY_CHARS = 64;

/**
 * `POST /api/v1/decisions`: what the gate would decide for this caller. With
 * `"record": false`, for administrators, nothing is recorded, and what an index contains is learned. With
 * `"size": true`, for who may push, the answer tells how many bytes the manifest has.
 */
export function decisions(survey: Survey): (request: ApiRequest) => Promise<ApiAnswer> {
  return async ({ ports, body, caller }) => {
    const unknown = Object.keys(body).find((key) => !KEYS.includes(key));
    if (unknown !== undefined)
      return refused('REQUEST_INVALID', `expected ${KEYS.join(', ')}; found ${quote(unknown, 40)}`);
    const action = body['action'] ?? 'pull';
    if (action !== 'pull' && action !== 'push')
      return refused('REQUEST_INVALID', 'expected "action" to be "pull" or "push"');
    const record = body['record'] ?? true;
    if (typeof record !== 'boolean')
      return refused('REQUEST_INVALID', 'expected "record" to be true or false');
    const image = imageOf(ports, body['image']);
    if ('kind' in image) return image;
    const { repository, tag = null, digest = null } = image.reference;
    const { registry } = image;
    const question = { registry, repository, tag, digest, action, caller } as const;
    const size = body['size'] ?? false;
    if (typeof size !== 'boolean')
      return refused('REQUEST_INVALID', 'expected "size" to be true or false');
    if (size && !record)
      return refused('REQUEST_INVALID', 'expected no "size" with "record": false');
    if (!record) return surveyed(survey, question, body['survey']);
    if (body['survey'] !== undefined)
      return refused('REQUEST_INVALID', 'expected "survey" only with "record": false');
    const answer = await decideImage(ports.gate, question);
    if (answer.kind !== 'decided') return answer;
    const decided = decisionJson(answer.decision, answer.record);
    if (!size) return { kind: 'json', body: decided };
    const bytes = await sizeOf(ports.gate, question, answer.decision.subject.digest);
    return typeof bytes === 'object' && bytes !== null
      ? bytes
      : { kind: 'json', body: { ...decided, size: bytes } };
  };
}

/**
 * How many bytes a manifest has, hashed here; `null` where the registry does not have it. The signed map
 * (Notary v1) binds the size with the digest, so that who signs has to know it of what is not served
 * before it is signed; its content is not told.
 */
async function sizeOf(
  gate: Gate,
  { registry, repository, caller }: Pick<ImageQuestion, 'registry' | 'repository' | 'caller'>,
  digest: Digest,
): Promise<number | null | Refused | Relayed> {
  const forbidden = gate.authoriser.check(caller, 'push', repository);
  if (forbidden !== null) return forbidden;
  try {
    const manifest = await gate.fetcher.fetch(registry, repository, digest, caller);
    if (manifest.kind === 'relay') return manifest;
    return manifest.kind === 'absent' ? null : manifest.bytes.byteLength;
  } catch (error) {
    return refusedByFailure(error);
  }
}

async function surveyed(
  survey: Survey,
  question: ImageQuestion,
  name: unknown = null,
): Promise<ApiAnswer> {
  if (question.action !== 'pull')
    return refused('REQUEST_INVALID', 'expected "action" to be "pull" with "record": false');
  if (name !== null && (typeof name !== 'string' || !/^[\w-]{1,64}$/.test(name)))
    return refused(
      'REQUEST_INVALID',
      `expected "survey" to be at most ${SURVEY_CHARS} letters, digits, _ and -`,
    );
  const answer = await survey.image({ ...question, survey: name });
  if (answer.kind !== 'surveyed') return answer;
  const { decision, contains, basis } = answer;
  return { kind: 'json', body: { ...decisionJson(decision, null), contains, basis } };
}
