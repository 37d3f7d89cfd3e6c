import { randomUUID } from 'node:crypto';
import type { Signer } from '../../../src/keys/key.ts';
import type { ErrorCode } from '../../../src/lib/errors.ts';
import { codeOf, messageOf } from '../../../src/lib/errors.ts';
import type { RegistryClient } from '../../../src/oci/client.ts';
import type { Digest } from '../../../src/oci/digest.ts';
import { formatReference } from '../../../src/oci/reference.ts';
import { manifestSize } from '../../../src/trust/dct/image-signer.ts';
import type { ImageSigner } from '../../../src/trust/sign.ts';
import type { ShownDecision } from '../../api/decisions.ts';
import { askDecision, askSize } from '../../api/decisions.ts';
import { askSurvey } from '../../api/surveys.ts';
import type { Output } from '../../output.ts';
import { signTarget } from '../sign/sign-target.ts';
import { resolveTag, signingSink } from '../sign/target.ts';
import type { Reviewed } from './review.ts';
import { verdictOf } from './verdict.ts';

/** What became of one line of a reviewed list. */
export interface SignedLine {
  readonly image: string;
  /** `moved`: the tag names another digest now. `gone`: it is not there. Neither is signed. */
  readonly status: 'signed' | 'signed-before' | 'moved' | 'gone' | 'failed' | 'not-reached';
  /** What the tag names now, where it has moved. */
  readonly now: Digest | null;
  /** Why its policy would refuse it all the same; `null` where it would not, as far as anybody tells. */
  readonly refused: string | null;
  readonly error: { readonly code: ErrorCode; readonly message: string } | null;
}

/** What lines are signed with. */
export interface LinePorts {
  readonly signer: Signer;
  /** Those that sign digests. */
  readonly formats: readonly ImageSigner[];
  readonly annotations: Readonly<Record<string, string>>;
  /** Sign the reviewed digest also where its tag has moved on. */
  readonly force: boolean;
  readonly clientOf: (host: string) => RegistryClient;
  readonly output: Output;
}

/** A line that came to its end so; nothing else is known of it. */
export function lineEnded(
  image: Reviewed,
  status: SignedLine['status'],
  more: Partial<SignedLine> = {},
): SignedLine {
  return { image: formatReference(image), status, now: null, refused: null, error: null, ...more };
}

/** A line that failed. */
export function lineFailed(image: Reviewed, error: unknown): SignedLine {
  return lineEnded(image, 'failed', { error: { code: codeOf(error), message: messageOf(error) } });
}

/** Signs reviewed images: the digest that the reviewer saw, whatever the tag has become since. */
export class LineSigner {
  readonly #ports: LinePorts;
  readonly #before = randomUUID();
  /** Another one: what was found before signing must not answer for what is there after it. */
  readonly #after = randomUUID();
  /** Hosts where no administrator asks, or no Countersign answers. */
  readonly #plain = new Set<string>();

  constructor(ports: LinePorts) {
    this.#ports = ports;
  }

  /**
   * How the line ends unsigned; `null` where it is to be signed: a signature names the tag, and put on a
   * digest that the tag has left it would speak for what nobody reviewed as that tag. Throws what asking throws.
   */
  async unfit(image: Reviewed): Promise<SignedLine | null> {
    if (image.tag === undefined || this.#ports.force) return null;
    const now = await this.#meaning(image);
    if (now === null) return lineEnded(image, 'gone');
    return now === image.digest ? null : lineEnded(image, 'moved', { now });
  }

  /** How many bytes its manifest has. Throws as `manifestSize` does. */
  async size(image: Reviewed): Promise<number> {
    const client = this.#ports.clientOf(image.host);
    const sink = signingSink(client, image, image.digest);
    return manifestSize(image, sink, ({ repository, digest }) =>
      askSize(client, { repository, digest }),
    );
  }

  /** Signs the digest, naming its tag or only the repository; whether anything was written. Throws what signing throws. */
  async sign(image: Reviewed, nameTag: boolean): Promise<boolean> {
    const { signer, formats, annotations, clientOf, output } = this.#ports;
    // Nothing but tags is signed.
    if (formats.length === 0) return false;
    const { repository, digest } = image;
    const signing = {
      subject: { repository, digest },
      tag: nameTag ? (image.tag ?? null) : null,
      signer,
      formats,
      annotations,
      sink: signingSink(clientOf(image.host), image, digest),
    };
    const signed = await signTarget(signing, true, false, output);
    return signed.some((one) => one.written);
  }

  /** Why the image would be refused, signed as it is now; `null` where it would not, or nobody tells. Never throws. */
  async stillRefused(image: Reviewed): Promise<string | null> {
    const { repository, tag, digest } = image;
    const client = this.#ports.clientOf(image.host);
    // A digest that its tag has left (`force`) is judged as a digest.
    const asked =
      tag === undefined || this.#ports.force ? { repository, digest } : { repository, tag };
    try {
      const decision = this.#plain.has(image.host)
        ? await askDecision(client, asked)
        : ((await askSurvey(client, asked, this.#after))?.decision ?? null);
      return decision === null ? null : refusalIn(decision);
    } catch {
      return null;
    }
  }

  /** What the tag names now; asked without a record where that is allowed. */
  async #meaning(image: Reviewed): Promise<Digest | null> {
    const client = this.#ports.clientOf(image.host);
    const { digest: _, ...tagged } = image;
    try {
      if (!this.#plain.has(image.host)) {
        const answer = await askSurvey(client, tagged, this.#before);
        if (answer !== null) return answer.decision.digest;
        this.#plain.add(image.host);
      }
    } catch (error) {
      const code = codeOf(error);
      if (code === 'MANIFEST_UNKNOWN') return null;
      if (code !== 'FORBIDDEN' && code !== 'REQUEST_INVALID' && code !== 'UNAUTHENTICATED')
        throw error;
      this.#plain.add(image.host);
    }
    return resolveTag(client, tagged);
  }
}

function refusalIn(decision: ShownDecision): string | null {
  const verdict = verdictOf(decision);
  return verdict === 'refused' || verdict === 'warned' ? decision.reason.message : null;
}
