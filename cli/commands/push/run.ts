import { dockerConfigFolder } from '../../../src/config/docker-folder.ts';
import { CountersignError } from '../../../src/lib/errors.ts';
import type { RegistryClient } from '../../../src/oci/client.ts';
import { shortDigest } from '../../../src/oci/digest.ts';
import type { EngineAddress } from '../../../src/oci/engine.ts';
import type { Reference } from '../../../src/oci/reference.ts';
import { formatReference } from '../../../src/oci/reference.ts';
import { openSource } from '../../../src/oci/sources/open.ts';
import type { ImageSource } from '../../../src/oci/sources/source.ts';
import { uploadImage } from '../../../src/oci/upload.ts';
import type { SignedImage } from '../../../src/trust/sign.ts';
import { prepareImage, signImage } from '../../../src/trust/sign.ts';
import type { Context } from '../../commands.ts';
import { engineTls } from '../../engine-tls.ts';
import { interruptible } from '../../interrupt.ts';
import { withOwnManifests } from '../../own-manifests.ts';
import { showProgress } from '../../progress.ts';
import type { RegistryFlags } from '../../registry.ts';
import { openRegistry, parseImage } from '../../registry.ts';
import { findHold } from './held.ts';
import type { Signing, SigningFlags } from './signing.ts';
import { openSigning } from './signing.ts';

/** What the command line says about a push. */
export interface PushOptions extends RegistryFlags, SigningFlags {
  readonly mountFrom?: readonly string[];
  readonly jobs: number;
}

/**
 * Runs `countersign push`. The source is looked at first, so that nobody types a passphrase for what is
 * not there; the key is opened before anything is sent, so that a wrong passphrase costs no
 * upload, and neither does one that is too short for a new key.
 */
export async function runPush(
  context: Context,
  sourceText: string,
  imageText: string,
  options: PushOptions,
): Promise<void> {
  const image = parseImage(imageText);
  const work = interruptible();
  const client = openRegistry(image, options, context.env, work.signal);
  let source: ImageSource | undefined;
  let signing: Signing | undefined;
  try {
    source = await openSource(sourceText, {
      daemon: daemonAddress(context.env),
      signal: work.signal,
    });
    expectDigest(image, source);
    signing = await openSigning(context, client, image, options);
    if (signing !== undefined) {
      const subject = { repository: image.repository, digest: source.root.digest };
      await prepareImage({ ...signing, subject, tag: image.tag ?? null });
    }
    const signed = await upload({
      context,
      client,
      source,
      image,
      options,
      signing,
      signal: work.signal,
    });
    await report(context, client, image, source, signed);
  } finally {
    await source?.close();
    await client.close();
    await signing?.close();
    work.end();
  }
}

function daemonAddress(env: NodeJS.ProcessEnv): EngineAddress {
  const host = env['DOCKER_HOST'] ?? '';
  const tls = engineTls(env, dockerConfigFolder(env));
  return { ...(host === '' ? {} : { host }), ...(tls === undefined ? {} : { tls }) };
}

function expectDigest(image: Reference, source: ImageSource): void {
  if (image.digest === undefined || image.digest === source.root.digest) return;
  throw new CountersignError(
    'USAGE',
    `expected the source to be ${shortDigest(image.digest)} as the image's name says, found ${shortDigest(source.root.digest)}`,
  );
}

async function upload(push: {
  readonly context: Context;
  readonly client: RegistryClient;
  readonly source: ImageSource;
  readonly image: Reference;
  readonly options: PushOptions;
  readonly signing: Signing | undefined;
  readonly signal: AbortSignal;
}): Promise<readonly SignedImage[]> {
  const { client, image, signing } = push;
  const output = push.context.output();
  const progress = showProgress(output);
  const tag = image.tag ?? null;
  let signed: readonly SignedImage[] = [];
  try {
    await uploadImage({
      client,
      path: image.path,
      tag,
      source: push.source,
      mountFrom: push.options.mountFrom ?? [],
      jobs: push.options.jobs,
      signal: push.signal,
      onEvent: progress.onEvent,
      async beforeTag({ digest }) {
        progress.end();
        if (signing === undefined) return;
        const subject = { repository: image.repository, digest };
        const sink = withOwnManifests(client.evidence(image.path), push.source);
        const { signer, formats, annotations } = signing;
        signed = await signImage({ signer, formats, annotations, subject, tag, sink });
        output.note(
          `${shortDigest(digest)}: signed by ${signing.signer.publicKey.id.slice(0, 12)}`,
        );
      },
    });
  } finally {
    progress.end();
  }
  return signed;
}

async function report(
  context: Context,
  client: RegistryClient,
  image: Reference,
  source: ImageSource,
  signed: readonly SignedImage[],
): Promise<void> {
  const output = context.output();
  const { digest } = source.root;
  const name = formatReference({ ...image, digest });
  const hold = image.tag === undefined ? null : await findHold(client, image, image.tag, digest);
  if (hold !== null) {
    const until = hold.until === null ? '' : ` (until ${hold.until})`;
    const missing = hold.missing === null ? '' : `: ${hold.missing}`;
    // With the tag: a digest alone has no place in the signed map (dct).
    output.warn(
      `held: the tag is given when the image is signed as its policy requires${until}${missing}; sign it with: countersign sign ${name}`,
    );
  }
  output.result(
    {
      image: formatReference({ repository: image.repository, digest }),
      repository: image.repository,
      tag: image.tag ?? null,
      digest,
      signed,
      held: hold !== null,
    },
    name,
  );
}
