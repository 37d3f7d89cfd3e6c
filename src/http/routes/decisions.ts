import { decideImage } from '../../gate/decide-image.ts';
import { refused } from '../../gate/outcome.ts';
import { decisionJson } from '../../policy/decision-json.ts';
import type { ApiAnswer, ApiRequest } from './api-request.ts';
import { imageOf } from './api-request.ts';

/** `POST /api/v1/decisions`: what the gate would decide for this caller (DESIGN 4.2). */
export async function decisions({ ports, body, caller }: ApiRequest): Promise<ApiAnswer> {
  const unknown = Object.keys(body).find((key) => key !== 'image' && key !== 'action');
  if (unknown !== undefined)
    return refused(
      'REQUEST_INVALID',
      `expected "image" and "action", found ${JSON.stringify(unknown.slice(0, 40))}`,
    );
  const action = body['action'] ?? 'pull';
  if (action !== 'pull' && action !== 'push')
    return refused('REQUEST_INVALID', 'expected "action" to be "pull" or "push"');
  const image = imageOf(ports, body['image']);
  if ('kind' in image) return image;
  const { repository, tag = null, digest = null } = image.reference;
  const answer = await decideImage(ports.gate, {
    registry: image.registry,
    repository,
    tag,
    digest,
    action,
    caller,
  });
  if (answer.kind !== 'decided') return answer;
  return { kind: 'json', body: decisionJson(answer.decision, answer.record) };
}
