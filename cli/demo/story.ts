import { CountersignError, messageOf } from '../../src/lib/errors.ts';
import type { JsonObject } from '../../src/lib/json.ts';
import { isArray, isObject } from '../../src/lib/json.ts';
import { unwrap } from '../../src/lib/result.ts';
import { shortDigest } from '../../src/oci/digest.ts';
import type { RegistryClient } from '../../src/oci/client.ts';
import { repositoryOf } from '../../src/oci/reference.ts';
import type { ImageSource } from '../../src/oci/sources/source.ts';
import { uploadImage } from '../../src/oci/upload.ts';
import { FORMATS } from '../../src/trust/formats.ts';
import { signImage } from '../../src/trust/sign.ts';
import { withOwnManifests } from '../own-manifests.ts';
import { makeImage } from './image.ts';
import type { Stage } from './stage.ts';

/** One step as it went. */
export interface Step {
  readonly title: string;
  /** The command that does the same with one's own registry. */
  readonly command: string;
  readonly expected: 'accepted' | 'refused';
  readonly happened: 'accepted' | 'refused';
  /** What the service said. */
  readonly message: string;
}

const PROD = 'prod/app';
const STAGING = 'staging/app';

/** Plays the main job on a running service, over its own sockets; calls back after each step. */
export async function tell(stage: Stage, onStep: (step: Step) => void): Promise<readonly Step[]> {
  const { host, client } = stage;
  const steps: Step[] = [];
  const step = async (
    title: string,
    command: string,
    expected: Step['expected'],
    work: () => Promise<string>,
  ): Promise<void> => {
    const done = { title, command, expected, ...(await outcomeOf(work)) };
    steps.push(done);
    onStep(done);
  };
  const build1 = await makeImage('build 1, reviewed and released');
  const build2 = await makeImage('build 2, pushed by who knows whom');
  const short = (image: ImageSource): string => shortDigest(image.root.digest);

  await step('push an unsigned image', `docker push ${host}/${PROD}:1.0`, 'refused', async () => {
    await uploadImage({ client, path: PROD, tag: '1.0', source: build1 });
    return 'the tag was given';
  });
  await step(
    'pull what was pushed, by its digest',
    `docker pull ${host}/${PROD}@${short(build1)}…`,
    'refused',
    () => pull(client, PROD, build1.root.digest),
  );
  await step(
    'push it again, signed by release-bot',
    `countersign push --key release-bot oci:build ${host}/${PROD}:1.0`,
    'accepted',
    async () => {
      const beforeTag = (): Promise<void> => sign(stage, PROD, '1.0', build1);
      await uploadImage({ client, path: PROD, tag: '1.0', source: build1, beforeTag });
      return `${short(build1)} signed, then tagged`;
    },
  );
  await step('pull it', `docker pull ${host}/${PROD}:1.0`, 'accepted', () =>
    pull(client, PROD, '1.0'),
  );
  await step(
    'overwrite the tag with something unsigned',
    `docker push ${host}/${PROD}:1.0`,
    'refused',
    async () => {
      await uploadImage({ client, path: PROD, tag: '1.0', source: build2 });
      return 'the tag was moved';
    },
  );

  await step(
    'push unsigned where the policy holds: accepted, but the tag waits',
    `docker push ${host}/${STAGING}:1.0`,
    'accepted',
    () => held(client, build1),
  );
  await step(
    'sign what is held: the tag is given',
    `countersign sign --key release-bot ${host}/${STAGING}:1.0`,
    'accepted',
    async () => {
      await sign(stage, STAGING, '1.0', build1);
      return `${short(build1)} signed, and the gate gave the tag`;
    },
  );
  await step(
    'overwrite that tag, unsigned: held again',
    `docker push ${host}/${STAGING}:1.0`,
    'accepted',
    () => held(client, build2),
  );
  await step(
    'pull the tag: still the signed image',
    `docker pull ${host}/${STAGING}:1.0`,
    'accepted',
    async () => {
      const got = await pull(client, STAGING, '1.0');
      if (!got.includes(short(build1))) throw new Error(`the tag was moved: ${got}`);
      return got;
    },
  );
  return steps;
}

async function outcomeOf(work: () => Promise<string>): Promise<Pick<Step, 'happened' | 'message'>> {
  try {
    return { happened: 'accepted', message: await work() };
  } catch (error) {
    // Only the gate's own no is a refusal; anything else that breaks is not what the demo is to show.
    if (!(error instanceof CountersignError) || error.code !== 'FORBIDDEN') throw error;
    return { happened: 'refused', message: messageOf(error) };
  }
}

async function pull(client: RegistryClient, path: string, reference: string): Promise<string> {
  const manifest = await client.manifest(path, reference);
  if (manifest === null) throw new Error(`${path} has no manifest ${reference}`);
  return `${shortDigest(manifest.digest)} served, its bytes hashed on the way`;
}

async function held(client: RegistryClient, image: ImageSource): Promise<string> {
  await uploadImage({ client, path: STAGING, tag: '1.0', source: image });
  return `${shortDigest(image.root.digest)} waits for a signature`;
}

async function sign(stage: Stage, path: string, tag: string, image: ImageSource): Promise<void> {
  const sink = withOwnManifests(stage.client.evidence(path), image);
  const subject = { repository: unwrap(repositoryOf(stage.host, path)), digest: image.root.digest };
  const { signer } = stage;
  await signImage({ subject, tag, signer, formats: FORMATS, annotations: {}, sink });
}

/** The record of what the story did, newest first. */
export async function record(stage: Stage): Promise<readonly JsonObject[]> {
  const { body } = await stage.client.api('GET', '/api/v1/history?limit=100');
  const events = isObject(body) ? body['events'] : undefined;
  return isArray(events) ? events.filter(isObject) : [];
}
