/** One challenge of a `WWW-Authenticate` header (RFC 7235 section 2.1): scheme in lower case, parameters by lower-case name. */
export interface Challenge {
  readonly scheme: string;
  readonly parameters: Readonly<Record<string, string>>;
}

const TOKEN = /[!#$%&'*+\-.^_`|~0-9A-Za-z]+/y;
const TOKEN68 = /[A-Za-z0-9\-._~+/]+=*(?=\s*(?:,|$))/y;
const SPACE = /[ \t]*/y;
const QUOTED = /"((?:[^"\\]|\\.)*)"/y;
const MAX_LENGTH = 8192;
const MAX_CHALLENGES = 8;

/**
 * Reads a `WWW-Authenticate` value, several challenges joined by commas included. What cannot be read
 * ends the list: a challenge is an offer, and an unreadable offer is none.
 */
export function parseChallenges(header: string): readonly Challenge[] {
  if (header.length > MAX_LENGTH) return [];
  const reader = new Reader(header);
  const out: Challenge[] = [];
  while (out.length < MAX_CHALLENGES) {
    reader.commas();
    const scheme = reader.match(TOKEN);
    if (scheme === undefined) break;
    out.push({ scheme: scheme.toLowerCase(), parameters: readParameters(reader) });
  }
  return out;
}

function readParameters(reader: Reader): Readonly<Record<string, string>> {
  const parameters: Record<string, string> = Object.create(null) as Record<string, string>;
  reader.match(SPACE);
  if (reader.match(TOKEN68) !== undefined) return parameters;
  for (;;) {
    const start = reader.at;
    reader.commas();
    const name = reader.match(TOKEN);
    reader.match(SPACE);
    // A token without "=" is the next challenge's scheme.
    if (name === undefined || !reader.take('=')) {
      reader.at = start;
      return parameters;
    }
    reader.match(SPACE);
    const quoted = reader.match(QUOTED);
    const value =
      quoted === undefined ? reader.match(TOKEN) : quoted.slice(1, -1).replaceAll(/\\(.)/g, '$1');
    if (value === undefined) return parameters;
    // The first one counts: a later duplicate must not replace what an earlier reader saw.
    parameters[name.toLowerCase()] ??= value;
  }
}

class Reader {
  at = 0;
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.#text)?.[0];
    if (found !== undefined) this.at += found.length;
    return found;
  }

  take(char: string): boolean {
    if (this.#text[this.at] !== char) return false;
    this.at++;
    return true;
  }

  commas(): void {
    do this.match(SPACE);
    while (this.take(','));
  }
}
