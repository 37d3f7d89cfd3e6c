/** One part of a multipart body: the file name that it was sent under, `null` where it has none, and its content. */
export interface FormPart {
  readonly fileName: string | null;
  /** A view of the body, not a copy. */
  readonly content: Uint8Array;
}

/** What a multipart body came to: `malformed` where it is none, `cut` where it ends before its end. */
export type FormOutcome =
  | { readonly ok: true; readonly parts: readonly FormPart[] }
  | { readonly ok: false; readonly why: 'malformed' | 'cut' };

/** One part's header block, in bytes; clients send some 150. */
const HEADER_BYTES = 4096;
// RFC 2046 section 5.1.1: a boundary of 1 to 70 of these, not ending in a space.
const BOUNDARY = /^[0-9A-Za-z'()+_,\-./:=? ]{0,69}[0-9A-Za-z'()+_,\-./:=?]$/;
const PARAMETER =
  /;[ \t]*([!#$%&'*+.^_`|~0-9A-Za-z-]+)=(?:"((?:[^"\\\r\n]|\\["\\])*)"|([!#$%&'*+.^_`|~0-9A-Za-z-]+))[ \t]*/y;

/**
 * Reads a `multipart/form-data` body (RFC 2046 section 5.1, RFC 7578) that is there as a whole. Exact
 * where parsers differ: lines end in CRLF, every part has one Content-Disposition, a parameter occurs
 * once, nothing stands
 * before the first delimiter or behind the last, which must be there. File names
 * stay as they are, with their slashes: they carry delegations (dct-protocol 1.2). Refuses more than
 * `maxParts`.
 */
export function readForm(
  contentType: string | undefined,
  body: Uint8Array,
  maxParts: number,
): FormOutcome {
  const boundary = boundaryOf(contentType);
  if (boundary === null) return MALFORMED;
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  const dash = Buffer.from(`--${boundary}`, 'latin1');
  const delimiter = Buffer.concat([CRLF, dash]);
  // No preamble: nobody sends one, and readers disagree about what ends it. But Go begins the end of a
  // form without parts with CRLF, and docker sends such a one where there is nothing new to sign.
  const none = Buffer.concat([delimiter, DASHES]);
  if ([none, Buffer.concat([none, CRLF])].some((form) => form.equals(bytes))) {
    return { ok: true, parts: [] };
  }
  if (!startsWith(bytes, dash, 0)) return bytes.length < dash.length ? CUT : MALFORMED;
  const parts: FormPart[] = [];
  let at = dash.length;
  for (;;) {
    if (startsWith(bytes, DASHES, at)) {
      const rest = bytes.length - at - DASHES.length;
      const ended = rest === 0 || (rest === 2 && startsWith(bytes, CRLF, at + DASHES.length));
      return ended ? { ok: true, parts } : MALFORMED;
    }
    if (!startsWith(bytes, CRLF, at)) return at + 2 > bytes.length ? CUT : MALFORMED;
    if (parts.length === maxParts) return MALFORMED;
    at += CRLF.length;
    const end = bytes.indexOf(delimiter, at - CRLF.length);
    if (end < 0) return CUT;
    const part = readPart(bytes.subarray(at, Math.max(at, end)));
    if (part === null) return MALFORMED;
    parts.push(part);
    at = end + delimiter.length;
  }
}

const MALFORMED: FormOutcome = { ok: false, why: 'malformed' };
const CUT: FormOutcome = { ok: false, why: 'cut' };
const CRLF = Buffer.from('\r\n');
const DASHES = Buffer.from('--');

const startsWith = (bytes: Buffer, what: Buffer, at: number): boolean =>
  bytes.subarray(at, at + what.length).equals(what);

/** The boundary of a Content-Type; `null` where it is of another type, or says none, or several. */
function boundaryOf(contentType: string | undefined): string | null {
  const type = /^multipart\/form-data[ \t]*(?=;)/i.exec(contentType ?? '')?.[0];
  if (type === undefined || contentType === undefined) return null;
  const boundary = parameters(contentType.slice(type.length))?.get('boundary');
  return boundary !== undefined && BOUNDARY.test(boundary) ? boundary : null;
}

function readPart(bytes: Buffer): FormPart | null {
  const blank = bytes.indexOf('\r\n\r\n');
  if (blank < 0 || blank > HEADER_BYTES) return null;
  const lines = bytes.toString('utf8', 0, blank).split('\r\n');
  let disposition: string | undefined;
  for (const line of lines) {
    const [, name, value = ''] =
      /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\r\n\0]*)$/.exec(line) ?? [];
    if (name === undefined) return null;
    if (name.toLowerCase() !== 'content-disposition') continue;
    if (disposition !== undefined) return null;
    disposition = value;
  }
  const content = bytes.subarray(blank + 4);
  const type = /^form-data[ \t]*/i.exec(disposition ?? '')?.[0];
  if (disposition === undefined || type === undefined) return { fileName: null, content };
  const given = parameters(disposition.slice(type.length));
  if (given === null) return null;
  const fileName = given.get('filename') ?? '';
  return { fileName: fileName === '' ? null : fileName, content };
}

/** The parameters of a header value, `;` and all; `null` where it is not made of them alone, or says one twice. */
function parameters(text: string): ReadonlyMap<string, string> | null {
  const found = new Map<string, string>();
  let at = 0;
  while (at < text.length) {
    PARAMETER.lastIndex = at;
    const match = PARAMETER.exec(text);
    if (match === null) return null;
    const name = (match[1] ?? '').toLowerCase();
    if (found.has(name)) return null;
    found.set(name, match[3] ?? (match[2] ?? '').replace(/\\(["\\])/g, '$1'));
    at = PARAMETER.lastIndex;
  }
  return found;
}
