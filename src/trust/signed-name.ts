import { quote } from '../lib/quote.ts';
import type { Result } from '../lib/result.ts';
import { ok, refuse } from '../lib/result.ts';
import type { Reference } from '../oci/reference.ts';
import { parseReference } from '../oci/reference.ts';

/**
 * The signed annotation that binds a signature to a name in formats that have no place for one:
 * `HOST/NAME` or `HOST/NAME:TAG`. A person gives it to the signing tool (`cosign sign -a …`).
 */
export const REFERENCE_ANNOTATION = 'dev.countersign.reference';

/**
 * Reads a name that a signature binds: a reference with its host written out. Free text and short
 * names, which each tool completes in its own way, bind nothing. Refuses with REFERENCE_INVALID.
 */
export function parseSignedName(text: string): Result<Reference> {
  const parsed = parseReference(text);
  if (!parsed.ok) return parsed;
  const first = text.slice(0, Math.max(0, text.indexOf('/')));
  if (/[.:]|^localhost$/i.test(first)) return ok(parsed.value);
  return refuse(
    'REFERENCE_INVALID',
    `expected a name with its host (HOST/NAME:TAG), found ${quote(text, 120)}`,
  );
}
