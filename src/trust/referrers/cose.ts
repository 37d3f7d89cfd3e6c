/** Nesting of CBOR that is followed; a COSE_Sign1 of a Notary Project signature has three levels. */
const DEPTH = 8;

/**
 * The payload of a tagged COSE_Sign1 (RFC 9052 4.2: tag 18, an array of protected header, unprotected
 * header, payload, signature) that fills the bytes exactly; `null` for everything else, indefinite
 * lengths (RFC 8949 3.2) included. Tells the shape only; nothing is verified.
 */
export function readCosePayload(bytes: Uint8Array): Uint8Array | null {
  const reader = new Items(bytes);
  const tag = reader.head();
  const array = reader.head();
  if (tag?.major !== 6 || tag.value !== 18 || array?.major !== 4 || array.value !== 4) return null;
  const signed = reader.byteString();
  if (signed === null || reader.peek() !== 5 || !reader.skip(DEPTH)) return null;
  const payload = reader.byteString();
  const signature = reader.byteString();
  return payload !== null && signature !== null && reader.atEnd() ? payload : null;
}

interface Head {
  readonly major: number;
  readonly value: number;
}

/** Reads CBOR data items one after the other, never beyond the bytes. */
class Items {
  readonly #view: DataView;
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  atEnd(): boolean {
    return this.#at === this.#bytes.byteLength;
  }

  /** The major type of the next item; -1 at the end. */
  peek(): number {
    return this.atEnd() ? -1 : this.#view.getUint8(this.#at) >> 5;
  }

  /** An item's major type and argument (RFC 8949 section 3); `null` where it is cut, reserved or of no definite length. */
  head(): Head | null {
    if (this.atEnd()) return null;
    const first = this.#view.getUint8(this.#at++);
    const major = first >> 5;
    const info = first & 31;
    if (info < 24) return { major, value: info };
    if (info > 27) return null;
    const width = 1 << (info - 24);
    if (this.#at + width > this.#bytes.byteLength) return null;
    let value = 0;
    for (let n = 0; n < width; n++) value = value * 256 + this.#view.getUint8(this.#at++);
    return { major, value };
  }

  byteString(): Uint8Array | null {
    const head = this.head();
    return head?.major === 2 ? this.#take(head.value) : null;
  }

  #take(length: number): Uint8Array | null {
    if (length > this.#bytes.byteLength - this.#at) return null;
    const from = this.#at;
    this.#at += length;
    return this.#bytes.subarray(from, this.#at);
  }

  /** Passes over one item with all that it contains; false where it is malformed or too deep. */
  skip(depth: number): boolean {
    const head = this.head();
    if (head === null || depth === 0) return false;
    switch (head.major) {
      case 2:
      case 3:
        return this.#take(head.value) !== null;
      case 4:
      case 5: {
        const items = head.major === 5 ? head.value * 2 : head.value;
        for (let n = 0; n < items; n++) if (!this.skip(depth - 1)) return false;
        return true;
      }
      case 6:
        return this.skip(depth - 1);
      default:
        return true;
    }
  }
}
