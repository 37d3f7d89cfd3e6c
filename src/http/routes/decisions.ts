import { quote } from '../../lib/quote.ts';
import type { ImageQuestion } from '../../gate/decide-image.ts';
import { decideImage } from '../../gate/decide-image.ts';
import { refused } from '../../gate/outcome.ts';
import type { Survey } from '../../gate/survey.ts';
import { decisionJson } from '../../policy/decision-json.ts';
import type { ApiAnswer, ApiRequest } from './api-request.ts';
import { imageOf } from './api-request.ts';

const KEYS = ['image', 'action', 'record', 'survey'];
const SURVEY_CHARS = 64;

/**
 * `POST /api/v1/decisions`: what the gate would decide for this caller. With
 * `"record": false`, for administrators, nothing is recorded, and what an index contains is learned.
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
    if (!record) return surveyed(survey, question, body['survey']);
    if (body['survey'] !== undefined)
      return refused('REQUEST_INVALID', 'expected "survey" only with "record": false');
    const answer = await decideImage(ports.gate, question);
    if (answer.kind !== 'decided') return answer;
    return { kind: 'json', body: decisionJson(answer.decision, answer.record) };
  };
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
