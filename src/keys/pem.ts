import { decodeBase64, decodeUtf8 } from '../lib/bytes.ts';
import { LIMITS } from '../lib/limits.ts';
import type { Result } from '../lib/result.ts';
import { ok, refuse } from '../lib/result.ts';

/** One PEM block (RFC 7468, with the header lines of RFC 1421 that Notary still writes). */
export interface PemBlock {
  readonly label: string;
  /** Header lines such as `role: alice`. */
  readonly headers: ReadonlyMap<string, string>;
  readonly bytes: Uint8Array;
}

const BEGIN = /^-----BEGIN ([A-Z0-9][A-Z0-9 ]{0,63})-----$/;
// Printable ASCII only: header values end up on terminals.
const HEADER = /^([A-Za-z][A-Za-z0-9-]{0,63}): ?([ -~]{0,512})$/;
const MAX_BLOCKS = 8;

/**
 * Reads a file that is nothing but PEM blocks. Refuses other text around them (what one reader skips,
 * another may read), more than 8 blocks, and more than `LIMITS.keyFileBytes`.
 */
export function parsePem(bytes: Uint8Array): Result<readonly PemBlock[]> {
  if (bytes.byteLength > LIMITS.keyFileBytes) {
    return refuse(
      'TOO_LARGE',
      `expected at most ${LIMITS.keyFileBytes} bytes in a key file, found ${bytes.byteLength}`,
    );
  }
  const text = decodeUtf8(bytes);
  if (text === undefined) {
    return refuse('KEY_INVALID', 'expected a PEM file, found bytes that are no text');
  }
  const lines = text.split(/\r?\n/).map((line) => line.trimEnd());
  const blocks: PemBlock[] = [];
  let at = 0;
  for (;;) {
    while (lines[at] === '') at++;
    const line = lines[at];
    if (line === undefined) break;
    const label = BEGIN.exec(line)?.[1];
    if (label === undefined) {
      return refuse(
        'KEY_INVALID',
        `expected nothing but a PEM block ("-----BEGIN …-----"), found other text in line ${at + 1}`,
      );
    }
    const end = lines.indexOf(`-----END ${label}-----`, at);
    if (end === -1) {
      return refuse('KEY_INVALID', `expected "-----END ${label}-----", found the end of the file`);
    }
    const block = parseBlock(label, lines.slice(at + 1, end));
    if (!block.ok) return block;
    if (blocks.push(block.value) > MAX_BLOCKS) {
      return refuse('KEY_INVALID', `expected at most ${MAX_BLOCKS} PEM blocks in a file`);
    }
    at = end + 1;
  }
  return ok(blocks);
}

function parseBlock(label: string, lines: readonly string[]): Result<PemBlock> {
  const headers = new Map<string, string>();
  let body = lines;
  if (lines[0]?.includes(':') === true) {
    const blank = lines.indexOf('');
    if (blank === -1) {
      return refuse('KEY_INVALID', 'expected an empty line after the header lines of a PEM block');
    }
    for (const line of lines.slice(0, blank)) {
      const match = HEADER.exec(line);
      const name = match?.[1];
      if (name === undefined || headers.has(name)) {
        return refuse(
          'KEY_INVALID',
          'expected PEM header lines "Name: value", each name once, in printable ASCII',
        );
      }
      headers.set(name, match?.[2] ?? '');
    }
    body = lines.slice(blank + 1);
  }
  const bytes = decodeBase64(body.join(''));
  if (bytes === undefined || bytes.byteLength === 0) {
    return refuse('KEY_INVALID', `expected base64 in the PEM block "${label}"`);
  }
  return ok({ label, headers, bytes });
}

/** Encodes one PEM block, header lines first where there are any. */
export function encodePem(
  label: string,
  bytes: Uint8Array,
  headers: Readonly<Record<string, string>> = {},
): string {
  const head = Object.entries(headers).map(([name, value]) => `${name}: ${value}\n`);
  const body =
    Buffer.from(bytes)
      .toString('base64')
      .match(/.{1,64}/g) ?? [];
  const blank = head.length === 0 ? '' : '\n';
  return `-----BEGIN ${label}-----\n${head.join('')}${blank}${body.join('\n')}\n-----END ${label}-----\n`;
}
