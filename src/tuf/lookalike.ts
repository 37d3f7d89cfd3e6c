import type { JsonObject } from '../lib/json.ts';

/**
 * The first member whose name Go, and so every client of Notary's, would take for one of the known ones,
 * and which is none of them: Go compares names without regard to case, `ſ` (U+017F) and the Kelvin sign
 * included, and of two that fit the later one wins. A signer could show docker another digest than the gate
 * and the record see; to be refused as two equal names are (T-11). `undefined` where there is none.
 */
export function lookalikeIn(object: JsonObject, known: ReadonlySet<string>): string | undefined {
  for (const name of Object.keys(object))
    if (!known.has(name) && known.has(name.toLowerCase().replaceAll('ſ', 's'))) return name;
  return undefined;
}
