/** Where in a file something stands, for a person: `dump.sql:12`. */
export interface Place {
  readonly file: string;
  readonly line: number;
}

/**
 * A file read from front to back as text of one character per byte, so that binary values inside SQL
 * come through unchanged. Only what has not been consumed yet is in memory.
 */
export class ByteText {
  readonly #file: string;
  readonly #chunks: AsyncIterator<Uint8Array>;
  #text = '';
  #at = 0;
  #line = 1;
  #ended = false;

  /** Reads the chunks under the file's name. */
  constructor(file: string, chunks: AsyncIterable<Uint8Array>) {
    this.#file = file;
    this.#chunks = chunks[Symbol.asyncIterator]();
  }

  /** The place of the next character. */
  get place(): Place {
    return { file: this.#file, line: this.#line };
  }

  /** The next characters without consuming them; fewer only before the end. */
  async peek(count: number): Promise<string> {
    while (this.#text.length - this.#at < count && (await this.#fill())) {
      // until there are as many, or no more
    }
    return this.#text.slice(this.#at, this.#at + count);
  }

  /** Consumes as many characters, which were peeked at before. */
  skip(count: number): void {
    this.#advance(this.#at + count);
  }

  /**
   * Consumes characters for as long as `pattern` (sticky, matching also nothing) matches, and returns
   * them; `undefined` where there are more than `most`.
   */
  async takeWhile(pattern: RegExp, most: number): Promise<string | undefined> {
    const pieces: string[] = [];
    let length = 0;
    for (;;) {
      pattern.lastIndex = this.#at;
      const end = pattern.test(this.#text) ? pattern.lastIndex : this.#at;
      length += end - this.#at;
      if (length > most) return undefined;
      if (end > this.#at) pieces.push(this.#text.slice(this.#at, end));
      this.#advance(end);
      if (end < this.#text.length || !(await this.#fill())) return pieces.join('');
    }
  }

  /** Consumes the rest of the line and its end; `undefined` where the line is longer, `null` at the end of the file. */
  async takeLine(most: number): Promise<string | null | undefined> {
    if ((await this.peek(1)) === '') return null;
    const line = await this.takeWhile(/[^\n]*/y, most);
    if (line === undefined) return undefined;
    if ((await this.peek(1)) === '\n') this.skip(1);
    return line.endsWith('\r') ? line.slice(0, -1) : line;
  }

  /** Stops reading. */
  async close(): Promise<void> {
    await this.#chunks.return?.();
  }

  #advance(to: number): void {
    for (let found = this.#text.indexOf('\n', this.#at); found >= 0 && found < to;) {
      this.#line += 1;
      found = this.#text.indexOf('\n', found + 1);
    }
    this.#at = to;
  }

  async #fill(): Promise<boolean> {
    if (this.#ended) return false;
    const next = await this.#chunks.next();
    if (next.done === true) {
      this.#ended = true;
      return false;
    }
    const { buffer, byteOffset, byteLength } = next.value;
    this.#text =
      this.#text.slice(this.#at) + Buffer.from(buffer, byteOffset, byteLength).toString('latin1');
    this.#at = 0;
    return true;
  }
}
