import { CountersignError, codeOf, messageOf } from '../../../src/lib/errors.ts';
import type { RegistryClient } from '../../../src/oci/client.ts';
import type { Reference } from '../../../src/oci/reference.ts';
import { formatReference, splitRepository } from '../../../src/oci/reference.ts';
import { registryName } from '../../api/registry-name.ts';
import type { Check } from './check.ts';
import { check } from './check.ts';

/** Asks whether a Countersign answers under the gate's name, and whether it goes by another one. */
export async function examineGate(client: RegistryClient): Promise<readonly Check[]> {
  const subject = `gate ${client.host}`;
  const answers = await examineAnswer(client, subject);
  const name = answers.status === 'closed' ? await registryName(client) : null;
  if (name === null || name === client.host) return [answers];
  // docker says only that there are none, and cosign and docker would sign two names.
  const other = check(
    'note',
    subject,
    `is another name of ${name}: trust data are found and signed under that one alone`,
    `call images ${name}/… where content trust is used`,
  );
  return [answers, other];
}

async function examineAnswer(client: RegistryClient, subject: string): Promise<Check> {
  try {
    const { status, body } = await client.api('GET', '/api/v1/openapi.json');
    const text = JSON.stringify(body ?? null);
    return status === 200 && text.includes('/api/v1/decisions')
      ? check('closed', subject, 'a Countersign answers')
      : check(
          'open',
          subject,
          'what answers is no Countersign',
          'give the host that countersign serve is configured with',
        );
  } catch (error) {
    // A gate with identities asks strangers to log in before it says what it is.
    if (codeOf(error) === 'UNAUTHENTICATED' || codeOf(error) === 'FORBIDDEN') {
      return check('closed', subject, 'answers, and asks for a login');
    }
    return check('unknown', subject, messageOf(error), 'is it running, and reachable from here?');
  }
}

/** Asks for an image that has to be refused: the proof that the gate on the way is shut. */
export async function examineRefusal(client: RegistryClient, image: Reference): Promise<Check> {
  const name = formatReference(image);
  const subject = `pull of ${name}`;
  try {
    const { path } = splitRepository(image.repository);
    const manifest = await client.manifest(path, image.digest ?? image.tag ?? 'latest');
    return manifest === null
      ? check('unknown', subject, 'there is no such image', 'name an unsigned image that exists')
      : check(
          'open',
          subject,
          'it was served',
          `countersign verify ${name} says why; if it is signed, name one that is not`,
        );
  } catch (error) {
    const refusal = error instanceof CountersignError && error.code === 'FORBIDDEN';
    return refusal
      ? check('closed', subject, `refused: ${messageOf(error)}`)
      : check('unknown', subject, messageOf(error));
  }
}
