import type { Digest } from '../../../src/oci/digest.ts';
import type { FormatName } from '../../../src/trust/format.ts';
import type { SignedImage } from '../../../src/trust/sign.ts';
import type { Context } from '../../commands.ts';
import type { Standing } from './standing.ts';

/** The formats that an image was signed in, each once. */
export function formatNames(signed: readonly SignedImage[]): readonly FormatName[] {
  return [...new Set(signed.map((one) => one.format))];
}

/**
 * The last line of an image, which is no plain "signed" where that is not the whole truth. Ends the command
 * with 1 where the image is denied or held because a format was passed over that its policy asks for. Who signs
 * need be nobody that a policy asks for: that is told, and what was to be signed is signed.
 */
export function report(context: Context, signed: string, standing: Standing | null): void {
  const output = context.output();
  if (standing === null) {
    output.note(signed);
    return;
  }
  const { state, reason, counts, unfinished, next } = standing;
  const mended = next === null ? '' : `; ${next}`;
  if (counts) {
    output.note(`${signed}; its part is done, and others are missing`);
    output.note(`still ${WORDS[state]}: ${reason}${mended}`);
    return;
  }
  output.warn(`${signed}, but still ${WORDS[state]}: ${reason}${mended}`);
  if (unfinished && state !== 'warned') context.exit(1);
}

const WORDS = {
  held: 'held',
  denied: 'denied',
  warned: 'not trusted, and let through only until its policy enforces',
} as const;

/** What was signed, in one line. */
export function summary(name: string, signed: readonly SignedImage[], root: Digest): string {
  const children = new Set(signed.map((one) => one.digest));
  children.delete(root);
  const formats = formatNames(signed).join(', ');
  const more = children.size === 0 ? '' : `, with ${children.size} that it contains`;
  const what = signed.some((one) => one.written) ? 'signed' : 'was signed before';
  return `${name} ${what} (${formats}${more})`;
}
