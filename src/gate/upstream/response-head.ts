/** The head of an answer whose body is of a known length. */
export interface ResponseHead {
  readonly statusCode: 200 | 206;
  /** By name in lower case, each of them once. */
  readonly headers: Readonly<Record<string, string>>;
  readonly length: number;
}

const STATUS = /^HTTP\/1\.1 (200|206)(?: [\t\x20-\x7e\x80-\xff]*)?$/;
const FIELD = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[\t ]*([\t\x20-\x7e\x80-\xff]*)$/;
const LENGTH = /^\d{1,15}$/;

/**
 * Reads the head of an HTTP/1.1 answer (RFC 9112), without the empty line at its end, as strictly as
 * can be: 200 or 206, one Content-Length, no transfer coding, no field twice, no folded line, nothing
 * but CRLF between lines. `null` for everything else, which is left to a whole HTTP client.
 */
export function parseResponseHead(text: string): ResponseHead | null {
  const [first = '', ...lines] = text.split('\r\n');
  const status = STATUS.exec(first)?.[1];
  if (status === undefined) return null;
  const headers: Record<string, string> = Object.create(null) as Record<string, string>;
  for (const line of lines) {
    const field = FIELD.exec(line);
    const name = field?.[1]?.toLowerCase();
    if (name === undefined || name in headers) return null;
    headers[name] = (field?.[2] ?? '').trimEnd();
  }
  const length = headers['content-length'];
  if (length === undefined || !LENGTH.test(length) || 'transfer-encoding' in headers) return null;
  return { statusCode: status === '200' ? 200 : 206, headers, length: Number(length) };
}

const HEADER_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;
const TARGET = /^\/[\x21-\x7e]*$/;

/** A GET as it goes over the wire; `null` where a part cannot be written as it is. */
export function requestHead(
  path: string,
  headers: Readonly<Record<string, string>>,
): string | null {
  const fields = Object.entries(headers);
  if (!TARGET.test(path) || fields.some(([, value]) => !HEADER_VALUE.test(value))) return null;
  const lines = fields.map(([name, value]) => `${name}: ${value}\r\n`);
  return `GET ${path} HTTP/1.1\r\n${lines.join('')}\r\n`;
}
