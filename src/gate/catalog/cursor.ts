import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';

const PLACE_BYTES = 1024;

/**
 * Marks a place in a list of upstream without telling where it is: the next name there may be one that
 * the caller must not know. Marks are of one length, good for who got them and while this process lives.
 */
export class Cursors {
  readonly #key = randomBytes(32);

  /** The mark of a place for one reader; `null` where the place is too long to be one. */
  mark(place: string, reader: string): string | null {
    const padded = Buffer.alloc(PLACE_BYTES);
    if (Buffer.byteLength(place) >= PLACE_BYTES) return null;
    padded.write(place);
    const nonce = randomBytes(12);
    const cipher = createCipheriv('aes-256-gcm', this.#key, nonce);
    cipher.setAAD(Buffer.from(reader));
    const sealed = Buffer.concat([cipher.update(padded), cipher.final()]);
    return Buffer.concat([nonce, sealed, cipher.getAuthTag()]).toString('base64url');
  }

  /** The place of a mark; `null` where it was not made here for this reader. */
  place(mark: string, reader: string): string | null {
    const bytes = Buffer.from(mark, 'base64url');
    if (bytes.length !== 12 + PLACE_BYTES + 16) return null;
    const decipher = createDecipheriv('aes-256-gcm', this.#key, bytes.subarray(0, 12));
    decipher.setAAD(Buffer.from(reader));
    decipher.setAuthTag(bytes.subarray(-16));
    try {
      const padded = Buffer.concat([decipher.update(bytes.subarray(12, -16)), decipher.final()]);
      return padded.toString('utf8', 0, padded.indexOf(0));
    } catch {
      return null;
    }
  }
}
