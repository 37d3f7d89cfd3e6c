import { codeOf, messageOf } from '../../../src/lib/errors.ts';
import type { ImageSigner, ImageSigning, SignedImage } from '../../../src/trust/sign.ts';
import { signImage } from '../../../src/trust/sign.ts';
import { formatReference } from '../../../src/oci/reference.ts';
import type { Output } from '../../output.ts';

/**
 * Signs an image with all that it contains. A gate may not show what is not trusted yet: then the
 * image itself is signed first, and read for its children once that has made it readable. Throws
 * FORBIDDEN where a format that was asked for (`required`) needs to read what stays hidden.
 */
export async function signTarget(
  signing: ImageSigning,
  recursive: boolean,
  required: boolean,
  output: Output,
): Promise<readonly SignedImage[]> {
  try {
    return await signImage({ ...signing, recursive });
  } catch (error) {
    if (codeOf(error) !== 'FORBIDDEN' || !recursive) throw error;
  }
  // What needs to read nothing first: by it the image may become readable.
  const itself: SignedImage[] = [];
  let unwritten: unknown = null;
  for (const format of signing.formats.toSorted(byReading)) {
    try {
      itself.push(...(await signImage({ ...signing, formats: [format], recursive: false })));
    } catch (error) {
      if (codeOf(error) !== 'FORBIDDEN' || format.onlyImage !== true) throw error;
      unwritten = error;
    }
  }
  if (itself.length === 0 && unwritten !== null) throw unwritten;
  try {
    const all = await signImage({ ...signing, recursive: true, renew: false });
    const written = new Set(itself.filter((one) => one.written).map(nameOf));
    return all.map((one) => ({ ...one, written: one.written || written.has(nameOf(one)) }));
  } catch (error) {
    if (codeOf(error) !== 'FORBIDDEN') throw error;
    if (unwritten !== null) {
      if (required) throw unwritten;
      output.warn(messageOf(unwritten));
    }
    const { repository, digest } = signing.subject;
    const name = formatReference({
      repository,
      digest,
      ...(signing.tag === null ? {} : { tag: signing.tag }),
    });
    output.warn(
      `${name} is signed, but cannot be read yet; if it is an index, sign it again once it is trusted, to sign what it contains`,
    );
    return itself;
  }
}

/** A tag's entry names the size of what is signed. */
const byReading = (a: ImageSigner, b: ImageSigner): number =>
  Number(a.onlyImage ?? false) - Number(b.onlyImage ?? false);

const nameOf = ({ digest, format }: SignedImage): string => `${digest} ${format}`;
