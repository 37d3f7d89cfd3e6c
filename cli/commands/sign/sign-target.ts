import { codeOf, CountersignError } from '../../../src/lib/errors.ts';
import { shortDigest } from '../../../src/oci/digest.ts';
import type { ImageSigning, SignedImage } from '../../../src/trust/sign.ts';
import { signImage } from '../../../src/trust/sign.ts';
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
  // A tag's entry names the length of what could not be read either.
  const formats = signing.formats.filter(({ onlyImage }) => onlyImage !== true);
  const unwritten = signing.formats.filter(({ onlyImage }) => onlyImage === true);
  if (formats.length === 0) throw hidden(signing, unwritten);
  const itself = await signImage({ ...signing, formats, recursive: false });
  try {
    const all = await signImage({ ...signing, recursive: true, renew: false });
    const written = new Set(itself.filter((one) => one.written).map((one) => one.digest));
    return all.map((one) => ({ ...one, written: one.written || written.has(one.digest) }));
  } catch (error) {
    if (codeOf(error) !== 'FORBIDDEN') throw error;
    if (unwritten.length > 0) {
      const missing = hidden(signing, unwritten);
      if (required) throw missing;
      output.warn(missing.message);
    }
    output.warn(
      `${signing.subject.digest} is signed, but cannot be read yet; if it is an index, sign it again once it is trusted, to sign what it contains`,
    );
    return itself;
  }
}

function hidden(
  { subject }: ImageSigning,
  formats: readonly { readonly name: string }[],
): CountersignError {
  const names = formats.map(({ name }) => name).join(', ');
  return new CountersignError(
    'FORBIDDEN',
    `not signed in ${names}: ${shortDigest(subject.digest)} cannot be read before it is trusted, and its size is signed too; push it again where pushes are held, or sign it in another format that its policy takes first`,
  );
}
