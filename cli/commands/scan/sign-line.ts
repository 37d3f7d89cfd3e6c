import { randomUUID } from 'node:crypto';
import type { Signer } from '../../../src/keys/key.ts';
import type { ErrorCode } from '../../../src/lib/errors.ts';
import { codeOf, messageOf } from '../../../src/lib/errors.ts';
import type { RegistryClient } from '../../../src/oci/client.ts';
import type { Digest } from '../../../src/oci/digest.ts';
import { formatReference } from '../../../src/oci/reference.ts';
import type { ImageSigner } from '../../../src/trust/sign.ts';
import { askSurvey } from '../../api/surveys.ts';
import type { Output } from '../../output.ts';
import { signTarget } from '../sign/sign-target.ts';
import { resolveTag, signingSink } from '../sign/target.ts';
import type { Reviewed } from './review.ts';

/** What became of one line of a reviewed list. */
export interface SignedLine {
  readonly image: string;
  /** `moved`: the tag names another digest now. `gone`: it is not there. Neither is signed. */
  readonly status: 'signed' | 'signed-before' | 'moved' | 'gone' | 'failed' | 'not-reached';
  /** What the tag names now, where it has moved. */
  readonly now: Digest | null;
  readonly error: { readonly code: ErrorCode; readonly message: string } | null;
}

/** What lines are signed with. */
export interface LinePorts {
  readonly signer: Signer;
  readonly formats: readonly ImageSigner[];
  readonly annotations: Readonly<Record<string, string>>;
  /** Sign the reviewed digest also where its tag has moved on. */
  readonly force: boolean;
  readonly clientOf: (host: string) => RegistryClient;
  readonly output: Output;
}

/** Signs reviewed images: the digest that the reviewer saw, whatever the tag has become since. */
export class LineSigner {
  readonly #ports: LinePorts;
  readonly #survey = randomUUID();
  /** Hosts where no administrator asks, or no Countersign answers. */
  readonly #plain = new Set<string>();

  constructor(ports: LinePorts) {
    this.#ports = ports;
  }

  /** Signs the image, naming its tag or only the repository. Never throws: a failure is the line's own. */
  async sign(image: Reviewed, nameTag: boolean): Promise<SignedLine> {
    const { signer, formats, annotations, force, clientOf, output } = this.#ports;
    const name = formatReference(image);
    const ended = (status: SignedLine['status'], now: Digest | null = null): SignedLine => ({
      image: name,
      status,
      now,
      error: null,
    });
    try {
      const client = clientOf(image.host);
      if (image.tag !== undefined && !force) {
        // The signature names the tag: put on a digest that the tag has left, it would speak for what nobody reviewed as that tag.
        const now = await this.#meaning(client, image);
        if (now === null) return ended('gone');
        if (now !== image.digest) return ended('moved', now);
      }
      const { repository, digest } = image;
      const signing = {
        subject: { repository, digest },
        tag: nameTag ? (image.tag ?? null) : null,
        signer,
        formats,
        annotations,
        sink: signingSink(client, image, digest),
      };
      const signed = await signTarget(signing, true, false, output);
      return ended(signed.some((one) => one.written) ? 'signed' : 'signed-before');
    } catch (error) {
      const code = codeOf(error);
      return { ...ended('failed'), error: { code, message: messageOf(error) } };
    }
  }

  /** What the tag names now; asked without a record where that is allowed. */
  async #meaning(client: RegistryClient, image: Reviewed): Promise<Digest | null> {
    const { digest: _, ...tagged } = image;
    try {
      if (!this.#plain.has(image.host)) {
        const answer = await askSurvey(client, tagged, this.#survey);
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
