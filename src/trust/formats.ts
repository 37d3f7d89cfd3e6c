import { systemClock } from '../lib/time.ts';
import { cosignFormat } from './cosign/cosign.ts';
import { evidenceTag } from './evidence-tag.ts';
import { verifyDct } from './dct/verify.ts';
import type { SignatureFormat, Verifier } from './format.ts';

/** Every format whose signatures lie in the registry. A new one is a folder beside this file and a line here. */
export const FORMATS: readonly SignatureFormat[] = [cosignFormat(systemClock)];

/** Every format that policies can ask for. What `dct` signs are tags, in the repository's trust data: nothing of it lies in the registry. */
export const VERIFIERS: readonly Verifier[] = [...FORMATS, { name: 'dct', verify: verifyDct }];

/** The format of that name, or `undefined`. */
export function formatByName(name: string): SignatureFormat | undefined {
  return FORMATS.find((format) => format.name === name);
}

/** True for tags that hold signatures or lists of referrers: what stands there is nobody's image. */
export function isEvidenceTag(tag: string): boolean {
  return evidenceTag(tag, FORMATS) !== null;
}
