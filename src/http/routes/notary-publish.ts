import type { Refused } from '../../gate/outcome.ts';
import type { Relayed } from '../../gate/upstream/upstream.ts';
import { LIMITS } from '../../lib/limits.ts';
import type { UploadPart } from '../../tuf/update-parts.ts';
import { askForBody, readBody } from '../exchange.ts';
import type { FormPart } from '../multipart.ts';
import { readForm } from '../multipart.ts';
import type { HttpPorts } from '../ports.ts';
import type { NotaryRequest, TrustedName } from './notary-request.ts';
import { changing, fail, forbid } from './notary-request.ts';

/**
 * Takes an upload of metadata, all of it or nothing (dct-protocol 1.2, 2). The answer leaves when the
 * publish is durable and the pushes that waited for it are promoted, or bound to be (DESIGN 5).
 */
export async function publish(
  ports: HttpPorts,
  r: NotaryRequest,
  { repository, registry }: TrustedName,
): Promise<void> {
  const rights = await mayPublish(ports, r, { repository, registry });
  if (typeof rights !== 'boolean') return forbid(ports, r, rights);
  // Uploads take of the room that all bodies have together: not for what is refused whatever it says.
  if (!rights && !(await ports.notary.mayBegin(repository))) return forbid(ports, r, NO_PUSH);
  askForBody(r.request, r.response);
  const body = await readBody(r.request, LIMITS.trustUploadBytes);
  if (body === null) return fail(r, 'TOO_LARGE');
  const form = readForm(r.request.headers['content-type'], body, LIMITS.trustUploadParts);
  // Notary reads JSON from a body that ends too early, and finds none.
  if (!form.ok) return fail(r, form.why === 'cut' ? 'MALFORMED_JSON' : 'MALFORMED_UPLOAD');
  const parts = form.parts.map(uploadPart);
  if (!parts.every((part) => part !== null)) return fail(r, 'NO_FILENAME');
  const actor = r.caller.name;
  const outcome = await changing(ports, { repository, registry }, r.caller, () =>
    ports.notary.publish({ repository, parts, actor, mayPush: rights }),
  );
  if (!outcome.ok) {
    const { refusal } = outcome;
    if (refusal.code === 'FORBIDDEN') return forbid(ports, r, NO_PUSH);
    const detail = 'detail' in refusal ? refusal.detail : undefined;
    return fail(r, refusal.code, refusal.code === 'VERSION' ? {} : detail);
  }
  await ports.trustPublished(registry, repository, outcome.signed, r.caller);
  r.response.writeHead(200, { 'content-length': 0 });
  r.response.end();
}

const NO_PUSH: Refused = {
  kind: 'refused',
  code: 'FORBIDDEN',
  message: 'publishing needs the right to push, or a first root that a policy pins',
};

/**
 * True with the right to push. False for somebody who is known and may read: a first root that a policy
 * pins is enough for them. Else what to answer, a challenge above all.
 */
async function mayPublish(
  ports: HttpPorts,
  r: NotaryRequest,
  { repository, registry }: TrustedName,
): Promise<boolean | Refused | Relayed> {
  const push = await ports.trustRights.check(registry, repository, 'push', r.caller);
  if (push === null) return true;
  if (push.kind === 'relay' || push.code !== 'FORBIDDEN') return push;
  const pull = await ports.trustRights.check(registry, repository, 'pull', r.caller);
  return pull === null ? false : push;
}

/** A part as a role's file: the file name is the role, with or without `.json`. */
function uploadPart({ fileName, content }: FormPart): UploadPart | null {
  return fileName === null ? null : { role: fileName.replace(/\.json$/, ''), bytes: content };
}
