import { systemClock } from '../lib/time.ts';
import { cosignFormat } from './cosign/cosign.ts';
import { evidenceTag } from './evidence-tag.ts';
import type { SignatureFormat } from './format.ts';

/** Every signature format that can sign and verify. A new one is a folder beside this file and a line here. */
export const FORMATS: readonly SignatureFormat[] = [cosignFormat(systemClock)];

/** The format of that name, or `undefined`. */
export function formatByName(name: string): SignatureFormat | undefined {
  return FORMATS.find((format) => format.name === name);
}

/** True for tags that hold signatures or lists of referrers: what stands there is nobody's image. */
export function isEvidenceTag(tag: string): boolean {
  return evidenceTag(tag, FORMATS) !== null;
}
