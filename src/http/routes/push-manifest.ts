import type { TagsOutcome } from '../../gate/push/tags.ts';
import { pushTags } from '../../gate/push/tags.ts';
import type { PushRequest } from '../../gate/push/give.ts';
import { push } from '../../gate/push/push.ts';
import type { Refused } from '../../gate/outcome.ts';
import { refused } from '../../gate/outcome.ts';
import type { Relayed } from '../../gate/upstream/upstream.ts';
import { LIMITS } from '../../lib/limits.ts';
import { quote } from '../../lib/quote.ts';
import type { Result } from '../../lib/result.ts';
import { ok, refuse as refusal } from '../../lib/result.ts';
import type { Repository } from '../../oci/reference.ts';
import { isTag } from '../../oci/reference.ts';
import { warningHeader } from '../answer.ts';
import { askForBody, originOf, readBody } from '../exchange.ts';
import type { HttpPorts } from '../ports.ts';
import type { ManifestReference } from '../registry-path.ts';
import type { RegistryRequest } from './registry-request.ts';
import { end, refuse } from './registry-request.ts';

/** PUT of a manifest, by tag, by digest, or by digest with tags in the query (distribution-spec end-7a, end-7b). */
export async function putManifest(
  ports: HttpPorts,
  r: RegistryRequest,
  repository: Repository,
  reference: ManifestReference,
): Promise<void> {
  const name = 'tag' in reference ? reference.tag : reference.digest;
  r.facts.reference = name;
  const tags = tagsIn(r.query, reference);
  if (!tags.ok) return refuse(r, refused(tags.refusal.code, tags.refusal.message));
  // Before the body is read: what a stranger sends takes no room here.
  const forbidden = ports.gate.authoriser.check(r.caller, 'push', repository);
  if (forbidden !== null) return refuse(r, forbidden);
  const declared = Number(r.request.headers['content-length'] ?? '0');
  if (declared <= LIMITS.manifestBytes) askForBody(r.request, r.response);
  const bytes = await readBody(r.request, LIMITS.manifestBytes);
  if (bytes === null)
    return refuse(r, refused('MANIFEST_TOO_LARGE', 'expected a manifest of at most 4 MiB'));
  const contentType = r.request.headers['content-type'];
  if (contentType === undefined)
    return refuse(
      r,
      refused('MANIFEST_INVALID', 'expected a Content-Type that names the manifest type'),
    );
  const { registry, caller } = r;
  const request = { registry, repository, reference, contentType, bytes, caller };
  const outcome = await pushed(ports, request, tags.value);
  if (outcome.kind === 'created') ports.gate.pushers.wrote(caller, repository);
  const final = outcome.kind === 'created' || isFinal(outcome);
  for (const tag of 'tag' in reference ? [reference.tag] : tags.value)
    if (final) ports.gate.pushers.finished(caller, repository, tag);
  if (outcome.kind !== 'created') return end(r, outcome);
  if (outcome.held) r.facts.code = 'HELD';
  const { digest, subject, given, warnings } = outcome;
  const path = r.route.kind === 'manifest' ? r.route.path : '';
  if (warnings.length > 0) r.response.setHeader('warning', warnings.map(warningHeader));
  r.response.writeHead(201, {
    location: `${originOf(r.request)}/v2/${path}/manifests/${name}`,
    'docker-content-digest': digest,
    'content-length': 0,
    // Upstream lists referrers itself: clients then keep no list under a fallback tag (distribution-spec).
    ...(subject === null ? {} : { 'oci-subject': subject }),
    ...(given.length === 0 ? {} : { 'oci-tag': [...given] }),
  });
  r.response.end();
}

/** True for a refusal after which a client gives the push up, and tries nothing again by itself. */
const isFinal = (outcome: Refused | Relayed): boolean =>
  outcome.kind === 'refused' && outcome.retryAfter === undefined;

async function pushed(
  ports: HttpPorts,
  request: PushRequest,
  tags: readonly string[],
): Promise<TagsOutcome> {
  if (tags.length > 0) return pushTags(ports.gate, request, tags);
  const outcome = await push(ports.gate, request);
  if (outcome.kind !== 'created') return outcome;
  const { warning } = outcome;
  return { ...outcome, given: [], warnings: warning === null ? [] : [warning] };
}

/**
 * The tags that the query of a push names, in one spelling only (T-31): what another parser might read
 * as a tag too is refused, never skipped. containerd adds `ns=` to what goes through a mirror; it
 * changes nothing.
 */
function tagsIn(query: string, reference: ManifestReference): Result<readonly string[]> {
  const parts = query.split('&').filter((part) => !part.startsWith('ns='));
  if (query === '' || parts.length === 0) return ok([]);
  const tags = parts.filter((part) => part.startsWith('tag=')).map((part) => part.slice(4));
  if (tags.length < parts.length || 'tag' in reference) {
    const expected =
      'tag' in reference ? 'a push by tag without parameters' : 'only "tag=" parameters';
    return refusal('REQUEST_INVALID', `expected ${expected}, found others in the query`);
  }
  if (tags.length > LIMITS.tagsPerPush) {
    const most = `at most ${LIMITS.tagsPerPush} tags in one push, for each is decided and given by itself`;
    return refusal('TOO_MANY_TAGS', `expected ${most}, found ${tags.length}`);
  }
  const wrong = tags.find((tag) => !isTag(tag));
  if (wrong !== undefined) return refusal('TAG_INVALID', `expected a tag, found ${quote(wrong)}`);
  if (new Set(tags).size < tags.length)
    return refusal('REQUEST_INVALID', 'expected each tag once in the query, found one repeated');
  return ok(tags);
}
