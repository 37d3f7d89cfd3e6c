import type { IncomingMessage } from 'node:http';
import type { UploadBody } from './upload-session.ts';

/** How long a body may stand still before its connection is cut. */
const IDLE_MS = 120_000;

/**
 * The body of a request as chunks. Stopping early leaves the connection open, so that a refusal can
 * still be answered; a client that breaks off or stands still makes the iteration throw.
 */
export function uploadBody(request: IncomingMessage): UploadBody {
  return { chunks: chunks(request), length: contentLength(request) };
}

/** Reads a body of at most `limit` bytes; undefined where it is larger, whatever length it announced. */
export async function readBounded(
  request: IncomingMessage,
  limit: number,
): Promise<Buffer | undefined> {
  if ((contentLength(request) ?? 0) > limit) return undefined;
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of chunks(request)) {
    size += chunk.length;
    if (size > limit) return undefined;
    parts.push(chunk);
  }
  return Buffer.concat(parts);
}

async function* chunks(request: IncomingMessage): AsyncGenerator<Uint8Array> {
  const cut = (): void => {
    request.destroy(new Error('the request body stood still'));
  };
  request.setTimeout(IDLE_MS, cut);
  try {
    const source = request.iterator({ destroyOnReturn: false });
    for await (const chunk of source) yield chunk as Uint8Array;
  } finally {
    // What follows (hashing, syncing) may take long without a byte on the socket.
    request.off('timeout', cut);
    request.setTimeout(0);
  }
}

// Node has refused requests whose Content-Length is no number, or stands beside Transfer-Encoding.
function contentLength(request: IncomingMessage): number | undefined {
  const header = request.headers['content-length'];
  return header === undefined ? undefined : Number(header);
}
