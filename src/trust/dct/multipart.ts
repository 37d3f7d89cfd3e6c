import { randomBytes } from 'node:crypto';
import type { UploadPart } from '../../tuf/update-parts.ts';

/** The body of an update (dct-protocol 1.2), and its Content-Type. */
export interface MultipartBody {
  readonly contentType: string;
  readonly bytes: Buffer;
}

/**
 * Writes an update as Notary's clients do: one part a role, whose file name is the role with its
 * slashes. Role names are `a-z0-9_-/` only, so nothing in them could end the header.
 */
export function multipartOf(parts: readonly UploadPart[]): MultipartBody {
  const boundary = randomBytes(30).toString('hex');
  const chunks: Buffer[] = [];
  for (const { role, bytes } of parts) {
    chunks.push(
      Buffer.from(
        `--${boundary}\r\nContent-Disposition: form-data; name="files"; filename="${role}"\r\n` +
          'Content-Type: application/octet-stream\r\n\r\n',
      ),
      Buffer.from(bytes),
      Buffer.from('\r\n'),
    );
  }
  chunks.push(Buffer.from(`--${boundary}--\r\n`));
  return {
    contentType: `multipart/form-data; boundary=${boundary}`,
    bytes: Buffer.concat(chunks),
  };
}
