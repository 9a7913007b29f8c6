const NOTHING = Buffer.alloc(0);

/** Bytes of an archive, taken in lengths that the reader chooses: at once as far as they have arrived. */
export class TarBytes {
  /** Number of bytes taken so far. */
  position = 0;
  readonly #source: AsyncIterator<Uint8Array>;
  #chunk: Buffer = NOTHING;
  /** Offset in the chunk. */
  #at = 0;

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  /** Returns the next bytes without taking them; undefined if not all of them have arrived. */
  peek(length: number): Buffer | undefined {
    const end = this.#at + length;
    return end <= this.#chunk.length ? this.#chunk.subarray(this.#at, end) : undefined;
  }

  /** Takes the next bytes; undefined if not all of them have arrived. */
  now(length: number): Buffer | undefined {
    const bytes = this.peek(length);
    if (bytes !== undefined) this.#skip(length);
    return bytes;
  }

  /** Takes exactly so many bytes; resolves with undefined if there are none. Rejects if there are fewer. */
  async take(length: number): Promise<Buffer | undefined> {
    const pieces: Buffer[] = [];
    for (let left = length; left > 0; left -= pieces.at(-1)?.length ?? 0) {
      const piece = await this.some(left);
      if (piece === undefined && pieces.length === 0) return undefined;
      pieces.push(piece ?? cutOff());
    }
    return pieces.length === 1 ? pieces[0] : Buffer.concat(pieces);
  }

  /** Takes 1 to `most` bytes; resolves with undefined at the end. */
  async some(most: number): Promise<Buffer | undefined> {
    if (!(await this.#arrive())) return undefined;
    return this.now(Math.min(most, this.#chunk.length - this.#at));
  }

  /** Skips what comes before a position. Rejects if the archive is shorter. */
  async skipTo(position: number): Promise<void> {
    while (this.position < position) {
      if (!(await this.#arrive())) cutOff();
      this.#skip(Math.min(position - this.position, this.#chunk.length - this.#at));
    }
  }

  /** Ends the source. */
  async close(): Promise<void> {
    await this.#source.return?.();
  }

  #skip(length: number): void {
    this.#at += length;
    this.position += length;
  }

  /** Resolves with true once there are bytes, with false at the end. */
  async #arrive(): Promise<boolean> {
    while (this.#at === this.#chunk.length) {
      const { done, value } = await this.#source.next();
      if (done) return false;
      this.#chunk = Buffer.from(value.buffer, value.byteOffset, value.length);
      this.#at = 0;
    }
    return true;
  }
}

export function cutOff(): never {
  throw new Error("Unexpected end of data");
}
